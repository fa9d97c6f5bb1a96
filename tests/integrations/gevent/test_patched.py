"""gevent in monkey-patched programs, each in a process of its own: threads and their pools are greenlets there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.contract.greenlets_patched import PatchedContract, found
from tests.products.concurrency import RUN
from tests.support.markers import forged, marked
from tests.support.servers import gunicorn_server
from tests.support.versions import skip_before
from tests.support.wire import Connection

pytest.importorskip("gevent")

Keys = dict[str, Any]


class TestGevent(PatchedContract):
    product = "gevent"
    expected_hops: ClassVar = {"spawn", "Thread", "Timer", "threadpool.spawn"}


TELEMETRY = """
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from concurrent.futures import ThreadPoolExecutor

for name in sys.argv[1:]:
    ThreadingInstrumentor().instrument() if name == "opentelemetry" else synthetic.instrument(name)
executor = ThreadPoolExecutor(1)
with simulated(run="rush-hour"):
    found = [in_a_thread(seen), executor.submit(seen).result()]
print(json.dumps([*found, in_a_thread(seen), executor.submit(seen).result()]))
"""


@pytest.mark.skipif(find_spec("opentelemetry.instrumentation") is None, reason="no instrumentation is installed")
@pytest.mark.parametrize("order", ["opentelemetry gevent concurrency", "gevent concurrency opentelemetry"])
def test_no_worker_keeps_a_verdict_beside_opentelemetrys_instrumentation_of_threads(order: str, keys: Keys) -> None:
    pytest.importorskip("opentelemetry.instrumentation.threading")
    assert found("gevent", TELEMETRY, *order.split(), keys=keys) == [RUN, RUN, "unset", "unset"]


BLOCKING = """
import gevent, socket
synthetic.instrument("gevent")
left, right = socket.socketpair()


def echo():
    right.sendall(seen().encode() + right.recv(1))


found = []
for run in ("rush-hour", "evening"):
    with simulated(run=run):
        gevent.spawn(echo)
        with simulated(run="other"):
            left.sendall(b"!")
            found.append(left.recv(100).decode() + seen())
    found.append(seen())
print(json.dumps(found))
"""


def test_greenlets_that_wait_for_sockets_keep_their_verdict(keys: Keys) -> None:
    assert found("gevent", BLOCKING, keys=keys) == ["rush-hour!other", "unset", "evening!other", "unset"]


FORKED = """
import os
import gevent
synthetic.instrument("gevent")
with simulated(run="rush-hour"):
    gevent.get_hub().threadpool.apply(seen)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        found = [seen(), gevent.spawn(seen).get(), gevent.get_hub().threadpool.apply(seen), in_a_thread(seen)]
        with real():
            found.append(gevent.spawn(seen).get())
        os.write(writing, json.dumps(found).encode())
        os._exit(0)
os.close(writing)
os.waitpid(child, 0)  # the read would block every greenlet, and the loop that reaps the child
print(os.fdopen(reading).read())
"""


def test_a_forked_process_still_carries_the_verdict(keys: Keys) -> None:
    assert found("gevent", FORKED, keys=keys) == [RUN, RUN, RUN, RUN, "unset"]


SERVICE = """
import gevent
import synthetic
from synthetic.wsgi import SyntheticTrafficMiddleware
from tests.products.concurrency import in_a_thread, seen
from tests.products.gevent import PATCHED
from concurrent.futures import ThreadPoolExecutor

synthetic.instrument("gevent", "concurrency")
executor = ThreadPoolExecutor(1)


def application(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    own = seen()
    gevent.sleep(0)
    found = {*(hop(seen) for hop in PATCHED.values()), executor.submit(seen).result()}
    assert own == seen()

    def steps():
        for one in (own, *sorted(found)):
            gevent.sleep(0)
            yield f"{one}, then {seen()}\\n".encode()

    return steps()


app = SyntheticTrafficMiddleware(application)
"""


@pytest.fixture
def port(tmp_path: Path, keys: Keys) -> Iterator[int]:
    skip_before("gevent", "24.10.1", "is too old for gunicorn's worker")
    (tmp_path / "rides.py").write_text(SERVICE)
    with gunicorn_server(tmp_path, "rides:app", {"SYNTHETIC_KEYS": json.dumps(keys)}, "-k", "gevent") as (port, log):
        yield port
    assert "Traceback" not in log.read_text()


def test_every_request_of_gunicorns_gevent_worker_has_its_own_verdict(port: int, keys: Keys) -> None:
    requests = {
        (200, b"real, then real\nunset, then real\n"): [],
        (200, b"rush-hour, then rush-hour\nrush-hour, then rush-hour\n"): marked(keys, run=RUN),
    }
    with Connection(port) as connection:
        for _ in range(3):
            for expected, headers in requests.items():
                response = connection.request("/", headers)
                assert (response.status, response.body) == expected
            assert connection.request("/", forged(keys)).status == 403
