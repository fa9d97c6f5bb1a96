"""The tasks: each ride is sent to Kafka, one in five after a retry."""

from __future__ import annotations

import os
from typing import Any

import synthetic

synthetic.instrument()

import confluent_kafka  # noqa: E402
from celery import Celery  # type: ignore[import-untyped]  # noqa: E402

from tests.e2e import store  # noqa: E402

app = Celery("rides", broker=os.environ["E2E_CELERY"])
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)
_producers: list[Any] = []


def _producer() -> Any:
    if not _producers:
        _producers.append(confluent_kafka.Producer({"bootstrap.servers": os.environ["E2E_KAFKA"], "linger.ms": 5}))
    return _producers[0]


@app.task(bind=True, max_retries=3, acks_late=True)  # type: ignore[untyped-decorator]
def dispatch(self: Any, id_: str) -> None:
    if store.record("celery", id_) == 1 and store.is_one_in(5, id_):
        raise self.retry(countdown=0)
    _producer().produce("rides", id_.encode(), key=id_.encode())
    _producer().poll(0)
