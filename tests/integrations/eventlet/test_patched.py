"""eventlet in monkey-patched programs, each in a process of its own: threads and their pools are green there."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tests.contract.greenlets_patched import PatchedContract, all_found, found
from tests.products.concurrency import RUN
from tests.support.clients import run_script

pytest.importorskip("eventlet")

Keys = dict[str, Any]


class TestEventlet(PatchedContract):
    product = "eventlet"
    expected_hops: ClassVar = {"spawn", "Thread", "Timer", "tpool.execute"}

    def test_the_hub_of_asyncio_carries_the_verdict(self, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EVENTLET_HUB", "asyncio")
        simulated, real, *_ = all_found(self.product, self.product, keys=keys)
        assert set(simulated.values()) == {RUN}
        assert set(real.values()) == {"unset"}


SERVER = """
import http.client
import eventlet.wsgi
from synthetic.wsgi import SyntheticTrafficMiddleware
from tests.products.eventlet import PATCHED

synthetic.instrument("eventlet", "concurrency")


def application(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    own = seen()
    eventlet.sleep(0)
    found = {hop(seen) for hop in PATCHED.values()}
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


def test_every_request_of_eventlets_server_has_its_own_verdict(keys: Keys) -> None:
    real, simulated = [200, "real unset real"], [200, "rush-hour rush-hour rush-hour"]
    assert found("eventlet", SERVER, keys=keys) == [real, simulated, real, simulated]


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


def test_eventlet_may_be_imported_after_instrument(keys: Keys) -> None:
    assert run_script(AWAITED, keys=keys) == "True True\nFalse False\n"
