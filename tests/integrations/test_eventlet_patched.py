"""eventlet in monkey-patched programs, each in a process of its own: threads and their pools are green there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.clients import run_script

pytest.importorskip("eventlet")

Keys = dict[str, Any]

RUN = "rush-hour"
ORDERS = ("eventlet", "eventlet concurrency", "concurrency eventlet")

PATCHED = """
import eventlet; eventlet.monkey_patch()
import json, sys, threading
import synthetic
from synthetic import real, simulated
from tests.integrations.concurrency_hops import in_a_thread, seen
"""


def found(script: str, *arguments: str, keys: Keys) -> Any:
    """What a monkey-patched program prints, where warnings are errors."""
    return json.loads(run_script(PATCHED + script, *arguments, keys=keys))


HOPS = """
from tests.integrations.eventlet_hops import PATCHED, all_seen
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
    assert {"spawn", "Thread", "Timer", "tpool.execute"} <= simulated.keys()
    assert set(simulated.values()) == {RUN}
    assert set(real.values()) == {"unset"}
    assert again == [simulated, real]


def test_and_so_it_does_on_the_hub_of_asyncio(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLET_HUB", "asyncio")
    simulated, real, *_ = found(HOPS, "eventlet", keys=keys)
    assert set(simulated.values()) == {RUN}
    assert set(real.values()) == {"unset"}


WORKERS = """
from concurrent.futures import ThreadPoolExecutor

for name in sys.argv[1:]:
    synthetic.instrument(name)
at_start = []
executor = ThreadPoolExecutor(1, initializer=lambda: at_start.append(seen()))
with simulated(run="rush-hour"):
    first = executor.submit(lambda: (seen(), type(eventlet.getcurrent()).__name__)).result()
print(json.dumps([at_start, first, executor.submit(seen).result()]))
"""


@pytest.mark.parametrize("order", ORDERS)
def test_a_worker_that_simulated_work_starts_has_no_verdict(order: str, keys: Keys) -> None:
    """With the integration of threads and their pools, a job of simulated work brings its own."""
    at_start, (first, kind), second = found(WORKERS, *order.split(), keys=keys)
    assert at_start == ["unset"]
    assert first == (RUN if "concurrency" in order else "unset")
    assert kind in ("greenlet", "GreenThread")
    assert second == "unset"


SERVER = """
import http.client
import eventlet.wsgi
from synthetic.wsgi import SyntheticTrafficMiddleware
from tests.integrations.eventlet_hops import PATCHED, all_seen

synthetic.instrument("eventlet", "concurrency")


def application(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    own = seen()
    eventlet.sleep(0)
    found = set(all_seen(PATCHED).values())
    return [" ".join([own, *found, seen()]).encode()]


listening = eventlet.listen(("127.0.0.1", 0))
with simulated(run="whoever-starts-the-server"):
    eventlet.spawn(eventlet.wsgi.server, listening, SyntheticTrafficMiddleware(application), log_output=False)
connection = http.client.HTTPConnection(*listening.getsockname())
found = []
with simulated(run="rush-hour"):
    headers = synthetic.headers()
for sent in ({}, headers) * 2:
    connection.request("GET", "/", headers=sent)
    response = connection.getresponse()
    found.append((response.status, response.read().decode()))
print(json.dumps(found))
"""


def test_behind_eventlets_server_every_request_of_a_connection_is_its_own(keys: Keys) -> None:
    real, simulated = [200, "real unset real"], [200, "rush-hour rush-hour rush-hour"]
    assert found(SERVER, keys=keys) == [real, simulated, real, simulated]


AWAITED = """
import sys, synthetic
assert "eventlet" in synthetic.instrument()
assert "eventlet" not in sys.modules
import eventlet
assert "eventlet.tpool" not in sys.modules
from eventlet import tpool
with synthetic.simulated(run="rush-hour"):
    print(eventlet.spawn(synthetic.is_synthetic).wait(), tpool.execute(synthetic.is_synthetic))
synthetic.uninstrument("eventlet")
with synthetic.simulated(run="rush-hour"):
    print(eventlet.spawn(synthetic.is_synthetic).wait(), tpool.execute(synthetic.is_synthetic))
"""


def test_eventlet_and_its_thread_pool_may_be_imported_after_everything_was_instrumented(keys: Keys) -> None:
    assert run_script(AWAITED, keys=keys) == "True True\nFalse False\n"
