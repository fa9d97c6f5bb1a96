"""A verdict that is used long after its work has ended is reported and still applies."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

import synthetic
from synthetic import Marker, allows, carry, guard, is_synthetic, ledger, real, simulated
from synthetic._model.action import Action
from synthetic._model.verdict import Simulated
from synthetic._work.outlived import OUTLIVED
from synthetic._work.state import current_verdict
from synthetic.asgi import SyntheticTrafficMiddleware as ASGI
from synthetic.wsgi import SyntheticTrafficMiddleware as WSGI
from tests.support.keys import entry, mint
from tests.support.servers import wait_until

LINGER = 0.01


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any], configuration: None) -> None:
    synthetic.configure(keys=keys, linger=LINGER, service="rides")


@pytest.fixture
def run() -> str:
    """A unique run for each test, because reports on a run are throttled for a second."""
    return uuid4().hex


@guard("payment", returns=None)
def charge() -> None:
    raise AssertionError("this work is simulated")


class Later:
    """Runs a function in the context of its creation, after the linger time has passed."""

    def __init__(self) -> None:
        self._context = contextvars.copy_context()

    def run(self, function: Callable[[], Any], *, seconds: float = LINGER) -> Any:
        started = time.monotonic()
        wait_until(lambda: time.monotonic() - started > 1.5 * seconds)
        return self._context.run(function)


def reports(outcomes: list[ledger.Outcome]) -> list[ledger.Outcome]:
    return [outcome for outcome in outcomes if outcome.effect == OUTLIVED]


def test_a_guard_called_after_its_work_ended_is_reported_and_still_guards(
    run: str, caplog: pytest.LogCaptureFixture
) -> None:
    with simulated(run=run):
        later = Later()
    with ledger.recorded() as outcomes, caplog.at_level(logging.WARNING, "synthetic"):
        assert later.run(charge) is None
        assert later.run(is_synthetic)
    target = f"{__name__}:charge"
    assert outcomes == [
        ledger.Outcome(OUTLIVED, Action.ALLOW, Marker(run), target, None, "rides"),
        ledger.Outcome("payment", Action.SKIP, Marker(run), target, None, "rides"),
    ]
    (record,) = caplog.records
    assert f"{target} was requested by simulated work (run {run!r}) that ended" in record.getMessage()
    assert "synthetic.carry(job)" in record.getMessage()


def test_allows_and_outgoing_calls_after_the_work_are_reported_too(run: str) -> None:
    from synthetic._egress.departure import depart, dispatch

    with simulated(run=run):
        later = Later()
    with ledger.recorded() as outcomes:
        assert later.run(lambda: allows("payment")) is False
        assert later.run(lambda: dispatch(None)).header
        assert later.run(lambda: depart("http://localhost/", None)).header
    assert [outcome.target for outcome in reports(outcomes)] == ["payment", None, None]


def test_nothing_is_reported_during_the_work_and_the_linger_time(run: str) -> None:
    with ledger.recorded() as outcomes:
        with simulated(run=run):
            Later().run(charge)  # work may take any time
            later = Later()
        with synthetic.configured(linger=60):
            later.run(charge)
    assert reports(outcomes) == []


def test_nothing_is_reported_while_other_work_has_the_same_verdict(run: str, keys: dict[str, Any]) -> None:
    """A load test's token is shared by all its requests."""
    token = {"baggage": entry(mint(keys, claims={"run": run}))}
    with ledger.recorded() as outcomes:
        with synthetic.admitted(token):
            later = Later()
        with synthetic.admitted(token):
            later.run(charge)
        assert reports(outcomes) == []
        later.run(charge)
        assert len(reports(outcomes)) == 1


def test_real_work_in_a_context_that_outlived_its_work_is_not_reported(run: str) -> None:
    def heartbeat() -> bool:
        with real():
            return allows("payment")

    with simulated(run=run):
        later = Later()
    with ledger.recorded() as outcomes:
        assert later.run(heartbeat) is True
    assert outcomes == []


def test_a_carried_job_that_runs_late_is_not_reported(run: str) -> None:
    with simulated(run=run):
        job = carry(charge)
    started = time.monotonic()
    wait_until(lambda: time.monotonic() - started > 2 * LINGER)
    with ledger.recorded() as outcomes:
        job()
    assert [outcome.effect for outcome in outcomes] == ["payment"]


def test_the_log_of_reports_is_throttled_and_the_ledger_is_not(run: str, caplog: pytest.LogCaptureFixture) -> None:
    with simulated(run=run):
        later = Later()
    with ledger.recorded() as outcomes, caplog.at_level(logging.WARNING, "synthetic"):
        began = time.monotonic()
        for _ in range(5):
            later.run(charge)
        seconds = time.monotonic() - began
    assert len(reports(outcomes)) == 5
    assert 1 <= len(caplog.records) <= 1 + seconds


def test_a_worker_task_started_by_finished_simulated_work_is_reported(run: str) -> None:
    async def main() -> list[ledger.Outcome]:
        jobs: asyncio.Queue[Any] = asyncio.Queue()

        async def work() -> None:
            while job := await jobs.get():
                job()

        with simulated(run=run):
            worker = asyncio.create_task(work())
        await asyncio.sleep(2 * LINGER)
        with ledger.recorded() as outcomes:
            jobs.put_nowait(charge)
            jobs.put_nowait(None)
            await worker
        return outcomes

    assert [outcome.effect for outcome in asyncio.run(main())] == [OUTLIVED, "payment"]


# When work ends


def verdict_of(later: list[Any]) -> Simulated:
    (verdict,) = later
    assert isinstance(verdict, Simulated)
    return verdict


def by_scope(token: str, note: Callable[[], None]) -> None:
    with simulated(run="by-scope"):
        note()


def by_decorated_coroutine(token: str, note: Callable[[], None]) -> None:
    @simulated(run="by-decorator")
    async def work() -> None:
        await asyncio.sleep(0)
        note()

    asyncio.run(work())


def by_message(token: str, note: Callable[[], None]) -> None:
    with synthetic.admitted({"baggage": entry(token)}):
        note()


def by_asgi(token: str, note: Callable[[], None]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        note()

    async def nothing(*_: Any) -> Any:
        return {}

    scope = {"type": "http", "headers": [(b"baggage", entry(token).encode())]}
    asyncio.run(ASGI(app)(scope, nothing, nothing))


def by_wsgi(token: str, note: Callable[[], None]) -> None:
    body: Any = WSGI(_answering(note, [b"at once"]))({"HTTP_BAGGAGE": entry(token)}, _start_response)
    assert list(body) == [b"at once"]


def by_wsgi_stream(token: str, note: Callable[[], None]) -> None:
    def stream() -> Iterator[bytes]:
        note()
        yield b"in steps"

    body: Any = WSGI(_answering(lambda: None, stream()))({"HTTP_BAGGAGE": entry(token)}, _start_response)
    assert list(body) == [b"in steps"]
    body.close()
    body.close()


def _answering(note: Callable[[], None], body: Any) -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        note()
        start_response("200 OK", [])
        return body

    return app


def _start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
    return lambda data: None


WORK = [by_scope, by_decorated_coroutine, by_message, by_asgi, by_wsgi, by_wsgi_stream]


@pytest.mark.parametrize("work", WORK)
def test_every_kind_of_work_records_when_it_ends(work: Any, keys: dict[str, Any], run: str) -> None:
    found: list[Any] = []
    in_work: list[Any] = []

    def note() -> None:
        found.append(current_verdict())
        in_work.append(verdict_of(found).ended_at)

    before = time.monotonic()
    work(mint(keys, claims={"run": run}), note)
    ended_at = verdict_of(found).ended_at
    assert in_work == [None]
    assert ended_at is not None
    assert before <= ended_at <= time.monotonic()


@pytest.mark.parametrize("work", WORK)
def test_failed_work_has_ended_too(work: Any, keys: dict[str, Any], run: str) -> None:
    found: list[Any] = []

    def fail() -> None:
        found.append(current_verdict())
        raise ValueError("in the work")

    with pytest.raises(ValueError, match="in the work"):
        work(mint(keys, claims={"run": run}), fail)
    wait_until(lambda: verdict_of(found).ended_at is not None)


def test_concurrent_work_in_many_threads_is_counted_correctly(keys: dict[str, Any], run: str) -> None:
    token = {"baggage": entry(mint(keys, claims={"run": run}))}
    found: set[Any] = set()

    def work() -> None:
        for _ in range(300):
            with synthetic.admitted(token):
                found.add(current_verdict())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (verdict,) = found
    assert verdict.ended_at is not None
    with synthetic.admitted(token):
        assert verdict.ended_at is None
