"""``shed="auto"`` in WSGI: a simulated request keeps its place, and a thread, to the end of its work."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

import synthetic
from synthetic import ledger
from synthetic._admission import decision
from synthetic.wsgi import SyntheticTrafficMiddleware
from tests.support.keys import shared_key
from tests.support.markers import marked
from tests.support.servers import gunicorn_server, wait_until, waitress_server
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


def _steps(path: str) -> Iterator[bytes]:
    yield b"o"
    if path == "/streams":
        begun.put(path)
        gate.wait(60)
    if path == "/breaks":
        raise RuntimeError("in the middle")
    yield b"k"


def app(environ: Any, start_response: Any) -> Any:
    path = environ["PATH_INFO"]
    if path == "/held":
        begun.put(path)
        gate.wait(60)
    if path == "/fails":
        raise RuntimeError("before the response starts")
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"ok"] if path in ("/", "/held") else _steps(path)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with waitress_server(SyntheticTrafficMiddleware(app)) as port:
        yield port


@pytest.mark.parametrize("path", ["/held", "/streams"])
def test_a_simulated_request_has_no_room_beside_one_that_is_handled_and_a_real_one_does(
    port: int, keys: Keys, path: str
) -> None:
    synthetic.configure(keys=keys, shed="auto")
    with ledger.recorded(admissions=True) as outcomes, Connection(port) as first:
        first.send(request_bytes(path, marked(keys)))
        assert begun.get(timeout=60) == path
        refused = get(port, "/", marked(keys))
        assert (refused.status, refused.json()["reason"]) == (429, "shed")
        assert get(port, "/").status == 200
        gate.set()
        assert first.response().status == 200
    wait_until(lambda: not places())
    assert [one.action.value for one in outcomes] == ["allow", "refuse"]


@pytest.mark.parametrize("path", ["/", "/steps", "/fails", "/breaks"])
def test_a_place_is_free_after_every_end_of_a_request(port: int, keys: Keys, path: str) -> None:
    synthetic.configure(keys=keys, shed="auto")
    for _ in range(3):
        with Connection(port) as connection:
            connection.send(request_bytes(path, marked(keys)))
            assert connection.head()[0] == (500 if path == "/fails" else 200)
        wait_until(lambda: not places())


def called(headers: Any, path: str) -> Any:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, **{f"HTTP_{name.upper()}": value for name, value in headers}}
    return SyntheticTrafficMiddleware(app)(environ, lambda *args: None)  # type: ignore[arg-type, return-value]


def test_a_body_that_no_server_closes_gives_the_place_back_with_the_last_reference_to_it(keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    for read in (0, 1, 2):
        body = called(marked(keys), "/steps")
        steps = iter(body)
        assert b"".join(next(steps) for _ in range(read)) == b"ok"[:read]
        assert places() == 1
        del body, steps
        assert places() == 0


def test_a_second_middleware_takes_no_second_place(keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    twice = SyntheticTrafficMiddleware(SyntheticTrafficMiddleware(SyntheticTrafficMiddleware(app)))
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_BAGGAGE": dict(marked(keys))["baggage"]}
    started: list[Any] = []
    assert twice(environ, lambda status, *rest: started.append(status)) == [b"ok"]  # type: ignore[arg-type, return-value]
    assert started == ["200 OK"]
    assert places() == 0


def test_real_requests_run_nothing_of_shedding(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.configure(keys=keys, shed="auto")

    def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a real request came here")

    for name in ("take_place", "take_turn", "waits_elsewhere"):
        monkeypatch.setattr(decision, name, never)
    assert called([], "/") == [b"ok"]
    assert called([("baggage", "user=7")], "/") == [b"ok"]


SERVICE = """
import json, os, threading
import synthetic
from synthetic.wsgi import SyntheticTrafficMiddleware

synthetic.configure(keys=json.loads(os.environ["KEYS"]), shed="auto")
synthetic.instrument("http-client")
gate = threading.Event()

def handle(environ, start_response):
    if environ["PATH_INFO"] == "/held":
        open("begun", "w").close()
        gate.wait(60)
    if environ["PATH_INFO"] == "/open":
        gate.set()
    start_response("200 OK", [("content-length", "2")])
    return [b"ok"]

app = SyntheticTrafficMiddleware(handle)
"""


def test_threads_of_gunicorn_share_the_places_of_their_process(tmp_path: Path) -> None:
    keys = shared_key()
    tmp_path.joinpath("service.py").write_text(SERVICE)
    variables = {"KEYS": json.dumps(keys)}
    with gunicorn_server(tmp_path, "service:app", variables, "--worker-class", "gthread", "--threads", "4") as (
        port,
        _,
    ):
        with Connection(port) as first:
            first.send(request_bytes("/held", marked(keys)))
            wait_until(tmp_path.joinpath("begun").exists)
            assert get(port, "/", marked(keys)).status == 429
            assert get(port, "/open").status == 200
            assert first.response().status == 200
        assert get(port, "/", marked(keys)).status == 200


def test_a_process_that_handles_one_request_at_a_time_sheds_none(tmp_path: Path) -> None:
    keys = shared_key()
    tmp_path.joinpath("service.py").write_text(SERVICE)
    variables = {"KEYS": json.dumps(keys)}
    with (
        gunicorn_server(tmp_path, "service:app", variables) as (port, _),
        Connection(port) as one,
        Connection(port) as two,
    ):
        for connection in (one, two):
            connection.send(request_bytes("/", [*marked(keys), ("connection", "close")]))
        assert [connection.response().status for connection in (one, two)] == [200, 200]


def test_a_response_that_is_a_cycle_is_freed_by_the_collector(keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    body = called(marked(keys), "/steps")
    cycle: list[Any] = [body]
    cycle.append(cycle)
    del body, cycle
    gc.collect()
    assert places() == 0
