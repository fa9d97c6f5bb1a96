"""A soak test: mixed traffic over keep-alive connections to real servers gets no wrong verdict."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import gunicorn_server, uvicorn_process, wait_until
from tests.support.soak_client import Plan, Tally, run
from tests.support.wire import get

Keys = dict[str, Any]

pytestmark = pytest.mark.long


@pytest.fixture
def ports(tmp_path: Path, keys: Keys) -> Iterator[tuple[int, int]]:
    variables = {"SYNTHETIC_KEYS": json.dumps(keys)}
    threads = ("--worker-class", "gthread", "--threads", "8")
    with (
        uvicorn_process(tmp_path, "tests.support.soak_service:asgi", variables) as asgi,
        gunicorn_server(tmp_path, "tests.support.soak_service:wsgi", variables, *threads) as (wsgi, log),
    ):
        yield asgi, wsgi
    assert "Failed to detach" not in log.read_text()


def check(port: int, tally: Tally) -> None:
    def findings() -> Any:
        return get(port, "/findings").json()

    def is_complete() -> bool:
        checked = findings()["checked"]
        return all(checked.get(step, 0) >= count for step, count in tally.due.items())

    assert tally.wrong == []
    wait_until(is_complete)
    assert findings()["wrong"] == []
    counted = {step: count for step, count in findings()["checked"].items() if step != "endless"}
    assert counted == {step: count for step, count in tally.due.items() if step != "endless"}


def test_mixed_traffic_of_many_actors_gets_no_wrong_verdict(ports: tuple[int, int], keys: Keys, long_run: bool) -> None:
    total = 100_000 if long_run else 2_000
    asgi, wsgi = ports

    async def both() -> list[Tally]:
        return await asyncio.gather(
            run(asgi, Plan(total * 7 // 10, keys, seed=1), connections=16),
            run(wsgi, Plan(total * 3 // 10, keys, seed=2), connections=6, unread_body_closes=True),
        )

    of_asgi, of_wsgi = asyncio.run(both())
    assert sum((of_asgi.requests + of_wsgi.requests).values()) == total
    assert min(of_asgi.requests.values()) > total // 20
    check(asgi, of_asgi)
    check(wsgi, of_wsgi)
