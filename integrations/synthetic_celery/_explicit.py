"""Applications without patches: these classes cover the application that is made with them."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP  # type: ignore[import-untyped]
from celery.app.task import Task  # type: ignore[import-untyped]
from celery.worker.request import Request  # type: ignore[import-untyped]

from synthetic.integration import always_on
from synthetic_celery._in import Tracer, cover_request, of_its_task, receiving
from synthetic_celery._in_eager import applying
from synthetic_celery._out import Sender

__all__ = ["SyntheticAMQP", "SyntheticRequest", "SyntheticTask"]


_amqp: Any = AMQP
_request: Any = Request
_task: Any = Task


class SyntheticAMQP(AMQP):  # type: ignore[misc]
    """Adds the marker to every task that is sent from ``Celery(amqp=SyntheticAMQP)``."""

    send_task_message: Any = Sender(vars(_amqp)["send_task_message"], always_on)


class SyntheticRequest(Request):  # type: ignore[misc]
    """What a worker's main process keeps of a ``SyntheticTask`` that runs. Derive a class of your own from it."""

    on_failure: Any = of_its_task(_request.on_failure, always_on)
    on_timeout: Any = of_its_task(_request.on_timeout, always_on)
    _announce_cancelled: Any = of_its_task(_request._announce_cancelled, always_on)
    _announce_revoked: Any = of_its_task(_request._announce_revoked, always_on)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cover_request(cls, always_on)


class SyntheticTask(Task):  # type: ignore[misc]
    """Runs every task of ``Celery(task_cls=SyntheticTask)`` under the verdict on its message.

    If you have a base class of your own, derive it from this class.
    """

    Request = "synthetic_celery._explicit:SyntheticRequest"
    __trace__: Any = Tracer(None, always_on)
    start_strategy: Any = receiving(_task.start_strategy, always_on)
    apply: Any = applying(_task.apply, always_on)
