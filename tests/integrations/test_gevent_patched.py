"""gevent in monkey-patched programs, each in a process of its own: threads and their pools are greenlets there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import run_script
from tests.support.markers import forged, marked
from tests.support.servers import gunicorn_server
from tests.support.versions import skip_before
from tests.support.wire import Connection

pytest.importorskip("gevent")

Keys = dict[str, Any]

RUN = "rush-hour"
ORDERS = ("gevent", "gevent concurrency", "concurrency gevent")

PATCHED = """
from gevent import monkey; monkey.patch_all()
import json, sys, threading
import synthetic
from synthetic import real, simulated
from tests.integrations.concurrency_hops import in_a_thread, seen
"""


def found(script: str, *arguments: str, keys: Keys) -> Any:
    """What a monkey-patched program prints, where warnings are errors."""
    return json.loads(run_script(PATCHED + script, *arguments, keys=keys))


HOPS = """
from tests.integrations.gevent_hops import PATCHED, all_seen
for name in sys.argv[1:]:
    synthetic.instrument(name)
found = []
for _ in range(2):
    with simulated(run="rush-hour"):
        found.append(all_seen(PATCHED))
    with real():
        found.append(all_seen(PATCHED))
print(json.dumps(found))
"""


@pytest.mark.parametrize("order", ORDERS)
def test_simulated_work_goes_on_over_every_hop_and_real_work_leaves_no_verdict(order: str, keys: Keys) -> None:
    simulated, real, *again = found(HOPS, *order.split(), keys=keys)
    assert {"spawn", "Thread", "Timer", "threadpool.spawn"} <= simulated.keys()
    assert set(simulated.values()) == {RUN}
    assert set(real.values()) == {"unset"}
    assert again == [simulated, real]


WORKERS = """
import logging, logging.handlers, queue
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import gevent

for name in sys.argv[1:]:
    synthetic.instrument(name)
contexts, handled = [], queue.SimpleQueue()
executor, records = ThreadPoolExecutor(1, initializer=lambda: contexts.append(seen())), queue.SimpleQueue()


class Noting(logging.Handler):
    def emit(self, record):
        handled.put(seen())


listener = logging.handlers.QueueListener(records, Noting())
with simulated(run="rush-hour"):
    assert type(gevent.getcurrent()).__name__ == "greenlet"
    first = executor.submit(lambda: (seen(), type(gevent.getcurrent()).__name__)).result()
    listener.start()
    pool = ThreadPool(1)
    pooled = pool.apply(seen)
records.put(logging.makeLogRecord({}))
print(json.dumps([contexts, first, executor.submit(seen).result(), handled.get(), pooled, pool.apply(seen)]))
listener.stop()
"""


@pytest.mark.parametrize("order", ORDERS)
def test_a_worker_that_simulated_work_starts_has_no_verdict(order: str, keys: Keys) -> None:
    """With the integration of threads and their pools, a job of simulated work brings its own."""
    at_start, first, second, handled, pooled, pooled_again = found(WORKERS, *order.split(), keys=keys)
    carried = RUN if "concurrency" in order else "unset"
    assert at_start == ["unset"]
    assert first == [carried, "Greenlet"]
    assert pooled == carried
    assert {second, handled, pooled_again} == {"unset"}


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
def test_with_opentelemetrys_instrumentation_of_threads_no_worker_keeps_a_verdict(order: str, keys: Keys) -> None:
    pytest.importorskip("opentelemetry.instrumentation.threading")
    assert found(TELEMETRY, *order.split(), keys=keys) == [RUN, RUN, "unset", "unset"]


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
    found.append(seen())
    with simulated(run="other"):
        left.sendall(b"!")
        found.append(left.recv(100).decode() + seen())
print(json.dumps(found))
"""


def test_greenlets_that_wait_for_sockets_keep_their_own(keys: Keys) -> None:
    assert found(BLOCKING, keys=keys) == ["unset", "rush-hour!other", "unset", "evening!other"]


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


def test_a_forked_process_goes_on_carrying(keys: Keys) -> None:
    assert found(FORKED, keys=keys) == [RUN, RUN, RUN, RUN, "unset"]


AWAITED = """
import sys, warnings
assert "gevent" not in sys.modules
import synthetic
assert "gevent" in synthetic.instrument()
assert "gevent" not in sys.modules
from gevent import monkey
warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
monkey.patch_all()
import gevent
with synthetic.simulated(run="rush-hour"):
    print(gevent.spawn(synthetic.is_synthetic).get())
"""


def test_gevent_may_be_imported_after_everything_was_instrumented(keys: Keys) -> None:
    assert run_script(AWAITED, keys=keys) == "True\n"


SERVICE = """
import gevent
import synthetic
from synthetic.wsgi import SyntheticTrafficMiddleware
from tests.integrations.concurrency_hops import in_a_thread, seen
from tests.integrations.gevent_hops import PATCHED, all_seen
from concurrent.futures import ThreadPoolExecutor

synthetic.instrument("gevent", "concurrency")
executor = ThreadPoolExecutor(1)


def application(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    own = seen()
    gevent.sleep(0)
    found = {*all_seen(PATCHED).values(), executor.submit(seen).result()}
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


def test_behind_gunicorns_gevent_worker_every_request_is_its_own(port: int, keys: Keys) -> None:
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
