"""What goes on after the simulated work that started it has ended is unverified: nobody can tell whose work it does."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import context

import synthetic
from synthetic import UnverifiedMarker, allows, carry, current, guard, headers, is_synthetic, ledger, real, simulated
from synthetic._egress.departure import depart, dispatch
from synthetic._model.reason import Reason
from synthetic._model.verdict import OUTLIVED, Simulated
from synthetic._work.state import current_verdict
from synthetic.asgi import SyntheticTrafficMiddleware as ASGI
from synthetic.telemetry import attributes
from synthetic.wsgi import SyntheticTrafficMiddleware as WSGI
from tests.support.keys import entry, mint
from tests.support.servers import wait_until

RUN = "rush-hour"


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any], configuration: None) -> None:
    synthetic.configure(keys=keys, service="rides")


@pytest.fixture
def charged() -> list[str]:
    return []


@pytest.fixture
def charge(charged: list[str]) -> Callable[[str], object]:
    @guard("payment", returns=None)
    def charge(who: str) -> None:
        charged.append(who)

    return charge


def left_behind() -> contextvars.Context:
    """A context that simulated work which has ended has left behind, as a thread, a task or a timer holds it."""
    with simulated(run=RUN):
        return contextvars.copy_context()


QUESTIONS: list[Callable[[], Any]] = [
    is_synthetic,
    current,
    headers,
    lambda: allows("payment"),
    lambda: depart("http://localhost/", None),
    lambda: dispatch(None),
]


@pytest.mark.parametrize("ask", QUESTIONS)
def test_every_question_raises_once_the_work_has_ended(ask: Callable[[], Any]) -> None:
    with simulated(run=RUN):
        present = contextvars.copy_context()
        present.run(ask)
    with pytest.raises(UnverifiedMarker) as raised:
        present.run(ask)
    assert raised.value.reason is Reason.OUTLIVED


def test_a_guard_after_the_work_raises_and_nothing_is_executed_or_recorded(charge: Any, charged: list[str]) -> None:
    present = left_behind()
    with ledger.recorded() as outcomes, pytest.raises(UnverifiedMarker):
        present.run(charge, "somebody")
    assert (charged, outcomes) == ([], [])


def test_the_error_names_the_cures() -> None:
    with pytest.raises(UnverifiedMarker) as raised:
        left_behind().run(is_synthetic)
    jobs = ("executor", "background tasks", "synthetic.carry(function)")
    workers = ("outside of simulated work", "setting workers", "synthetic.carry_queue", "synthetic.real()")
    for cure in (*jobs, *workers):
        assert cure in str(raised.value)


def test_the_opentelemetry_context_that_the_work_has_left_behind_is_unverified_too() -> None:
    with simulated(run=RUN):
        present = context.get_current()
    attached = context.attach(present)
    try:
        assert current_verdict() is OUTLIVED
    finally:
        context.detach(attached)


def test_telemetry_never_raises_after_the_work_and_says_unverified() -> None:
    assert left_behind().run(attributes) == {"user_agent.synthetic.type": "unverified"}


def test_telemetry_with_a_parent_describes_the_work_that_the_parent_belonged_to() -> None:
    with simulated(run=RUN):
        parent = context.get_current()
    assert attributes(parent)["synthetic.run"] == RUN


def test_real_work_in_what_is_left_behind_is_real(charge: Any, charged: list[str]) -> None:
    def heartbeat() -> None:
        with real():
            charge("heartbeat")

    left_behind().run(heartbeat)
    assert charged == ["heartbeat"]


def test_other_work_with_the_same_token_does_not_revive_what_is_left_behind(keys: dict[str, Any]) -> None:
    """A load test's token is shared by all its requests."""
    token = {"baggage": entry(mint(keys))}
    with synthetic.admitted(token):
        present = contextvars.copy_context()
    with synthetic.admitted(token), pytest.raises(UnverifiedMarker):
        present.run(is_synthetic)


def test_a_carried_job_is_work_of_its_own_however_late_and_however_often(charge: Any, charged: list[str]) -> None:
    with simulated(run=RUN):
        job = carry(lambda: (charge("simulated"), current()))
    for _ in range(2):
        assert job()[1] == synthetic.Marker(RUN)
    assert charged == []


def test_a_job_carried_by_what_is_left_behind_is_unverified(charge: Any, charged: list[str]) -> None:
    job = left_behind().run(carry, charge)
    with pytest.raises(UnverifiedMarker):
        job("somebody")
    assert charged == []


@pytest.mark.usefixtures("carried_by_threads")
def test_a_thread_is_simulated_until_its_request_ends_and_refused_after(charge: Any, charged: list[str]) -> None:
    ended, found = threading.Event(), list[Any]()

    def work() -> None:
        found.append(is_synthetic())
        ended.wait(60)
        try:
            charge("thread")
        except UnverifiedMarker as error:
            found.append(error.reason)

    with simulated(run=RUN):
        thread = threading.Thread(target=work)
        thread.start()
        wait_until(lambda: found)
    ended.set()
    thread.join()
    assert (found, charged) == ([True, Reason.OUTLIVED], [])


@pytest.fixture
def carried_by_threads() -> Iterator[None]:
    synthetic.instrument("concurrency")
    yield
    synthetic.uninstrument("concurrency")


def test_a_worker_task_that_simulated_work_has_started_refuses_every_job(charge: Any, charged: list[str]) -> None:
    async def main() -> list[str]:
        jobs: asyncio.Queue[str | None] = asyncio.Queue()
        refused: list[str] = []

        async def work() -> None:
            while who := await jobs.get():
                try:
                    charge(who)
                except UnverifiedMarker:
                    refused.append(who)

        with simulated(run=RUN):
            worker = asyncio.create_task(work())
        for who in ("real", "another"):
            with real():
                jobs.put_nowait(who)
        jobs.put_nowait(None)
        await worker
        return refused

    assert asyncio.run(main()) == ["real", "another"]
    assert charged == []


# When work ends


def by_scope(token: str, note: Callable[[], None]) -> None:
    with simulated(run="by-scope"):
        note()


def by_decorated_coroutine(token: str, note: Callable[[], None]) -> None:
    @simulated(run="by-decorator")
    async def work() -> None:
        await asyncio.sleep(0)
        note()

    asyncio.run(work())


def by_carried_call(token: str, note: Callable[[], None]) -> None:
    with simulated(run="by-carry"):
        job = carry(note)
    job()


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


WORK = [by_scope, by_decorated_coroutine, by_carried_call, by_message, by_asgi, by_wsgi, by_wsgi_stream]


def verdict_of(found: list[Any]) -> Simulated:
    (verdict,) = found
    assert isinstance(verdict, Simulated)
    return verdict


@pytest.mark.parametrize("work", WORK)
def test_every_kind_of_work_spends_its_verdict_when_it_ends(work: Any, keys: dict[str, Any]) -> None:
    found: list[Any] = []

    def note() -> None:
        found.append(current_verdict())
        assert verdict_of(found).is_simulated

    work(mint(keys), note)
    assert not verdict_of(found).is_simulated


@pytest.mark.parametrize("work", WORK)
def test_failed_work_has_ended_too(work: Any, keys: dict[str, Any]) -> None:
    found: list[Any] = []

    def fail() -> None:
        found.append(current_verdict())
        raise ValueError("in the work")

    with pytest.raises(ValueError, match="in the work"):
        work(mint(keys), fail)
    wait_until(lambda: not verdict_of(found).is_simulated)


def test_a_thread_of_a_streamed_response_is_simulated_until_the_response_is_closed(keys: dict[str, Any]) -> None:
    found: list[Any] = []

    def stream() -> Iterator[bytes]:
        yield b"first"
        yield b"second"

    body: Any = WSGI(_answering(lambda: found.append(current_verdict()), stream()))(
        {"HTTP_BAGGAGE": entry(mint(keys))}, _start_response
    )
    steps = iter(body)
    next(steps)
    assert verdict_of(found).is_simulated
    body.close()
    assert not verdict_of(found).is_simulated


def test_concurrent_messages_with_one_token_each_end_by_themselves(keys: dict[str, Any]) -> None:
    token = {"baggage": entry(mint(keys))}
    found: list[Any] = []

    def work() -> None:
        for _ in range(300):
            with synthetic.admitted(token):
                found.append(current_verdict())
                assert is_synthetic()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(verdict) for verdict in found}) == 8 * 300
    assert not any(verdict.is_simulated for verdict in found)
