"""SDKs for telemetry and feature flags are not refused: what simulated work measures arrives, without the marker."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

import synthetic
from synthetic import real, simulated
from synthetic.errors import ExternalCallRefused
from tests.products.analytics import Vendor, vendor
from tests.support.servers import wait_until

pytest.importorskip("datadog", reason="the SDKs do not fit the oldest versions of what they depend on")


@pytest.fixture(autouse=True)
def instrumented(keys: dict[str, Any], configuration: None) -> Iterator[None]:
    synthetic.configure(keys=keys, internal_hosts=["rides.example"])  # the vendor is outside
    synthetic.instrument()
    yield
    synthetic.uninstrument()


@pytest.fixture
def there() -> Iterator[Vendor]:
    with vendor() as running:
        yield running


def test_the_application_itself_may_still_not_call_the_vendor(there: Vendor) -> None:
    with simulated(run="rush-hour"), pytest.raises(ExternalCallRefused):
        requests.post(there.url, data="simulated-1", timeout=60)
    assert there.events == []


def datadog_event(there: Vendor) -> Callable[[str], object]:
    import datadog

    datadog.initialize(api_key="key", app_key="key", api_host=there.url)
    return lambda event: datadog.api.Event.create(title=event, text="from a test")


def launchdarkly_event(there: Vendor) -> Callable[[str], object]:
    from ldclient import Context, LDClient
    from ldclient.config import Config
    from ldclient.integrations.test_data import TestData

    config = Config(
        "sdk-key", events_uri=there.url, update_processor_class=TestData.data_source(), diagnostic_opt_out=True
    )
    client = LDClient(config)

    def track(event: str) -> None:
        client.track(event, Context.create("ann"))
        client.flush()

    return track


@pytest.mark.parametrize("make", [datadog_event, launchdarkly_event])
def test_events_of_simulated_and_of_real_work_arrive_without_the_marker(
    make: Callable[[Vendor], Callable[[str], object]], there: Vendor
) -> None:
    with simulated(run="rush-hour"):
        send = make(there)
        send("simulated-1")
    with real():
        send("real-2")
    wait_until(lambda: {"simulated-1", "real-2"} <= set(there.events))
    assert "synthetic-traffic" not in "".join(there.headers)


def statsd_client(port: int) -> Any:
    import statsd

    return statsd.StatsClient("127.0.0.1", port)


def dogstatsd_client(port: int) -> Any:
    from datadog.dogstatsd.base import DogStatsd

    class Client(DogStatsd):  # type: ignore[misc,unused-ignore]
        def incr(self, name: str) -> None:
            self.increment(name)
            self.flush()

        def close(self) -> None:
            self.stop()
            self.close_socket()

    return Client(host="127.0.0.1", port=port, disable_background_sender=False, disable_telemetry=True)


@pytest.mark.parametrize("make", [statsd_client, dogstatsd_client])
def test_metrics_of_simulated_and_of_real_work_arrive(make: Callable[[int], Any]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.bind(("127.0.0.1", 0))
        there.settimeout(60)
        with simulated(run="rush-hour"):
            client = make(there.getsockname()[1])
            client.incr("simulated.rides")
        with real():
            client.incr("real.rides")
        arrived = there.recv(1000) + there.recv(1000)
        client.close()
    assert b"simulated.rides" in arrived
    assert b"real.rides" in arrived
