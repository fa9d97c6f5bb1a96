"""``shed="auto"`` on event loops: who has a place, and how it becomes free. On real servers."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import anyio
import httpx
import pytest
from opentelemetry import context
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from websockets.sync.client import connect

import synthetic
from synthetic import ledger
from synthetic._admission import decision, shedding
from synthetic._admission.entrance import Entrance
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.keys import shared_key
from tests.support.markers import marked
from tests.support.servers import environment, uvicorn_server, wait_until
from tests.support.shedding import places, unhurried
from tests.support.wire import Connection, get, request_bytes

Keys = dict[str, Any]

gate = threading.Event()
begun: Queue[str] = Queue()


@pytest.fixture(autouse=True)
def _unhurried() -> Iterator[None]:
    gate.clear()
    begun.queue.clear()
    with unhurried():
        yield
        gate.set()


async def _held(path: str) -> None:
    begun.put(path)
    while not gate.is_set():
        await anyio.sleep(0.005)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """What it does is in the path: ``/held/late`` waits at the gate and then fails after its response has started."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    path = scope["path"]
    if scope["type"] == "websocket":
        await receive()
        if path == "/closes":
            return await send({"type": "websocket.close"})
        await send({"type": "websocket.accept"})
        return await _held(path)
    if path == "/gone":
        begun.put(path)
        await receive()
        while (await receive())["type"] != "http.disconnect":
            pass
    if path == "/held":
        await _held(path)
    if path == "/inside":
        transport = httpx.ASGITransport(SyntheticTrafficMiddleware(app))
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get("http://shop/", headers=synthetic.headers())).status_code == 200
    if path == "/fails":
        raise RuntimeError("before the response starts")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    if path == "/fails-late":
        raise RuntimeError("after the response has started")
    if path == "/streams":
        await _held(path)
    await send({"type": "http.response.body", "body": b"ok"})
    if path == "/stays":
        await _held(path)


@contextmanager
def hypercorn_on_trio(app: Any) -> Iterator[int]:
    """Serve with hypercorn's trio worker in a thread; gives the port."""
    trio = pytest.importorskip("trio")  # not among the packages for tests: eventlet cannot be imported beside it
    pytest.importorskip("hypercorn")
    from hypercorn.config import Config
    from hypercorn.trio import serve

    stop = threading.Event()

    async def stopped() -> None:
        while not stop.is_set():
            await trio.sleep(0.01)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = Config()
        config.bind = [f"fd://{listener.fileno()}"]
        config.errorlog = None
        config.graceful_timeout = 0.1
        thread = threading.Thread(target=trio.run, args=(_serving, serve, app, config, stopped))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            thread.join()
            listener.detach()


async def _serving(serve: Any, app: Any, config: Any, stopped: Any) -> None:
    await serve(app, config, shutdown_trigger=stopped)


SERVERS: dict[str, Callable[[Any], Any]] = {
    "asyncio": lambda app: uvicorn_server(app, http="h11"),
    "uvloop": lambda app: uvicorn_server(app, loop="uvloop"),
    "trio": hypercorn_on_trio,
}


@pytest.fixture(scope="module", params=SERVERS)
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with SERVERS[request.param](SyntheticTrafficMiddleware(app)) as port:
        yield port


@contextmanager
def under_way(port: int, path: str, headers: Any) -> Iterator[Connection]:
    """A request whose handling has begun, and has not ended."""
    with Connection(port) as connection:
        connection.send(request_bytes(path, headers))
        assert begun.get(timeout=60) == path
        yield connection


def test_simulated_requests_have_no_room_beside_one_that_is_handled_and_real_ones_do(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    with ledger.recorded(admissions=True) as outcomes, under_way(port, "/held", marked(keys)) as first:
        refused = get(port, "/", marked(keys))
        assert (refused.status, refused.json()["reason"], refused.values("retry-after")) == (429, "shed", ["5"])
        assert [get(port, "/").status for _ in range(3)] == [200, 200, 200]
        gate.set()
        assert first.response().status == 200
        wait_until(lambda: not places())
        assert get(port, "/", marked(keys)).status == 200
    assert [(one.action.value, one.reason and one.reason.value) for one in outcomes] == [
        ("allow", None),
        ("refuse", "shed"),
        ("allow", None),
    ]


def test_there_are_as_many_places_as_the_setting_says(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto", shed_limit=2)
    with under_way(port, "/held", marked(keys)), under_way(port, "/held", marked(keys, run="other")):
        assert get(port, "/", marked(keys)).status == 429
        gate.set()


@pytest.mark.parametrize("path", ["/", "/fails", "/fails-late", "/unknown"])
def test_a_place_is_free_after_every_end_of_a_request(port: int, keys: Keys, path: str) -> None:
    synthetic.configure(keys=keys, shed="auto")
    for _ in range(3):
        with Connection(port) as connection:
            connection.send(request_bytes(path, marked(keys)))
            assert connection.head()[0] == (500 if path == "/fails" else 200)
        wait_until(lambda: not places())


def test_a_place_is_free_when_the_client_has_gone(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    for _ in range(2):
        with under_way(port, "/gone", marked(keys)):
            assert places() == 1
        wait_until(lambda: not places())


@pytest.mark.parametrize("path", ["/streams", "/stays"])
def test_a_place_is_free_when_the_response_starts(port: int, keys: Keys, path: str) -> None:
    synthetic.configure(keys=keys, shed="auto")
    with under_way(port, path, marked(keys)):
        assert get(port, "/", marked(keys)).status == 200
        gate.set()


def test_a_place_is_free_when_a_websocket_is_open_or_was_refused(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    headers = marked(keys)
    with connect(f"ws://127.0.0.1:{port}/open", additional_headers=headers, proxy=None) as websocket:
        assert begun.get(timeout=60) == "/open"
        assert get(port, "/", marked(keys)).status == 200
        gate.set()
        websocket.close()
    with Connection(port) as connection:
        upgrade = [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13")]
        key = [("sec-websocket-key", "MDEyMzQ1Njc4OWFiY2RlZg==")]
        connection.send(request_bytes("/closes", [*headers, *upgrade, *key]))
        assert connection.head()[0] == 403
    wait_until(lambda: not places())


def test_a_call_within_the_process_is_part_of_the_request_that_makes_it(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    with ledger.recorded() as refused:
        assert get(port, "/inside", marked(keys)).status == 200
    assert refused == []


AROUND: dict[str, Callable[[Any], Any]] = {
    "OpenTelemetry's middleware": lambda ours: OpenTelemetryMiddleware(ours),
    "ours": lambda ours: SyntheticTrafficMiddleware(ours),
    "both": lambda ours: SyntheticTrafficMiddleware(OpenTelemetryMiddleware(SyntheticTrafficMiddleware(ours))),
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_a_request_takes_one_place_whatever_stands_around_the_middleware(keys: Keys, around: Any) -> None:
    synthetic.configure(keys=keys, shed="auto")
    with uvicorn_server(around(SyntheticTrafficMiddleware(app))) as port:
        assert get(port, "/", marked(keys)).status == 200
        with under_way(port, "/held", marked(keys)):
            assert places() == 1
            assert get(port, "/", marked(keys)).status == 429
            gate.set()
        wait_until(lambda: not places())


# The turn


async def _nothing() -> Any:
    return {"type": "http.disconnect"}


async def _called(headers: Any, handled: list[str]) -> list[int]:
    sent: list[int] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        handled.append("handled")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.extend([message["status"]] if "status" in message else [])

    raw = [(name.encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": raw}
    await SyntheticTrafficMiddleware(inner)(scope, _nothing, send)
    return sent


@pytest.mark.parametrize(("turn", "status"), [(0.0019, 200), (0.0021, 429)])
def test_a_request_is_shed_if_the_loop_took_long_to_come_round(keys: Keys, turn: float, status: int) -> None:
    synthetic.configure(keys=keys, shed="auto")
    times = iter([0.0, 0.0, turn])
    handled: list[str] = []
    # Not the fixture: it ends after that of unhurried(), and would restore what that has set.
    with pytest.MonkeyPatch.context() as patch, ledger.recorded(admissions=True) as outcomes:
        patch.setattr(shedding, "LONGEST_TURN", 0.002)
        patch.setattr(shedding, "now", lambda: next(times))
        assert asyncio.run(_called(marked(keys), handled)) == [status]
    assert len(handled) == (status == 200)
    assert [one.action.value for one in outcomes] == ["allow" if status == 200 else "refuse"]


def test_everything_that_is_ready_goes_before_a_simulated_request(keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    order: list[str] = []

    async def real() -> None:
        await asyncio.sleep(0)
        order.append("real")

    async def together() -> None:
        simulated = asyncio.ensure_future(_called(marked(keys), order))
        await asyncio.gather(simulated, *(real() for _ in range(20)))

    asyncio.run(together())
    assert order == [*["real"] * 20, "handled"]


def test_a_request_that_is_cancelled_during_its_turn_leaves_no_trace(keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    handled: list[str] = []

    async def cancelled() -> None:
        task = asyncio.ensure_future(_called(marked(keys), handled))
        await asyncio.sleep(0)
        assert places() == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert places() == 0

    with ledger.recorded(admissions=True) as outcomes:
        asyncio.run(cancelled())
    assert (handled, outcomes) == ([], [])


def test_a_coroutine_that_nobody_knows_how_to_run_takes_no_turn(keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    handled: list[str] = []
    call = _called(marked(keys), handled)
    with pytest.raises(StopIteration) as done:
        call.send(None)
    assert (done.value.value, handled) == ([200], ["handled"])


def test_trio_as_a_guest_of_asyncio_takes_its_own_turns(keys: Keys) -> None:
    trio = pytest.importorskip("trio")
    synthetic.configure(keys=keys, shed="auto")

    async def hosted() -> list[int]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            _called,
            marked(keys),
            [],
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=done.set_result,
        )
        return list((await done).unwrap())

    assert asyncio.run(hosted()) == [200]


def test_real_requests_run_nothing_of_shedding(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.configure(keys=keys, shed="auto")

    def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a real request came here")

    for owner, name in ((decision, "take_place"), (decision, "take_turn"), (decision, "waits_elsewhere")):
        monkeypatch.setattr(owner, name, never)
    for name in ("now", "take_place", "go_to_the_back"):
        monkeypatch.setattr(shedding, name, never)
    monkeypatch.setattr(Entrance, "turn", never)
    assert asyncio.run(_called([], [])) == [200]
    attached = context.attach(context.set_value("span", "any"))
    try:
        assert asyncio.run(_called([("baggage", "user=7")], [])) == [200]
    finally:
        context.detach(attached)


# Places


def test_no_more_places_are_taken_than_there_are_however_many_threads_try() -> None:
    ready = threading.Barrier(16)
    taken: list[Any] = []

    def take() -> None:
        ready.wait()
        for _ in range(200):
            place = shedding.take_place(3)
            if place is not None:
                taken.append(place)

    threads = [threading.Thread(target=take) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == places() == 3
    taken[0].give_back()
    taken[0].give_back()
    assert places() == 2
    del taken[:]
    assert places() == 0


def test_a_place_is_lost_to_another_only_after_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    present = [0.0]
    monkeypatch.setattr(shedding, "now", lambda: present[0])
    first = shedding.take_place(1, patience=1.0)
    present[0] = 0.999
    assert shedding.take_place(1) is None
    present[0] = 1.0
    second = shedding.take_place(1)
    assert second is not None
    assert first is not None
    first.give_back()  # it has none any more
    assert places() == 1
    present[0] = 1e9
    assert shedding.take_place(1) is None  # without patience, it is kept to the end
    second.give_back()


def test_work_that_only_waits_is_limited_too(monkeypatch: pytest.MonkeyPatch) -> None:
    present = [0.0]
    monkeypatch.setattr(shedding, "now", lambda: present[0])
    taken = []
    for _ in range(10):
        taken.append(shedding.take_place(1, patience=1.0))
        present[0] += 1.0
    assert None not in taken
    assert shedding.take_place(1, patience=1.0) is None
    del taken[:5]
    assert shedding.take_place(1, patience=1.0) is not None
    taken.clear()
    assert places() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_all_places() -> None:
    place = shedding.take_place(1)
    child = os.fork()
    if not child:
        os._exit(0 if shedding.take_place(1) is not None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert places() == 1
    del place


GREENLETS = """
import os, sys
os.environ["EVENTLET_TESTS"] = "1"
if sys.argv[1] == "gevent":
    import gevent.monkey
    gevent.monkey.patch_all()
elif sys.argv[1] == "eventlet":
    import eventlet
    eventlet.monkey_patch()
else:
    import gevent.monkey, eventlet.patcher  # without patching anything
from synthetic._admission.shedding import waits_elsewhere
print(waits_elsewhere())
"""


@pytest.mark.parametrize(("patched", "waits"), [("gevent", "True"), ("eventlet", "True"), ("nothing", "False")])
def test_where_threads_are_greenlets_waiting_work_keeps_nobody_out(patched: str, waits: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", GREENLETS, patched], capture_output=True, text=True, env=environment()
    )
    assert ran.stdout.strip() == waits, ran.stderr


def test_a_function_still_decides_alone(keys: Keys) -> None:
    sheds = [True]
    synthetic.configure(keys=keys, shed=lambda: sheds[0])
    assert asyncio.run(_called(marked(keys), [])) == [429]
    sheds[0] = False
    assert asyncio.run(_called(marked(keys), [])) == [200]
    assert places() == 0


def test_work_that_is_refused_for_another_reason_takes_no_place(keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto", halt="rush-hour")
    assert asyncio.run(_called(marked(keys), [])) == [403]
    synthetic.configure(keys=shared_key(), shed="auto")
    assert asyncio.run(_called(marked(keys), [])) == [403]
    synthetic.configure(keys=keys, shed="auto", ready=lambda: False)
    assert asyncio.run(_called(marked(keys), [])) == [429]
    assert places() == 0
