"""httpx2: every rule for clients, synchronous and asynchronous, in every way of switching it on."""

from __future__ import annotations

from tests.integrations.httpx import contract as contract
from tests.products.httpx import product

HTTPX2 = product("httpx2")


class TestInstrumented(contract.HttpxContract):
    product = HTTPX2


class TestInstrumentedAsync(contract.Async):
    product = HTTPX2


class TestInstrumentedInsideOpenTelemetry(contract.InsideOpenTelemetry):
    product = HTTPX2


class TestInstrumentedInsideOpenTelemetryAsync(contract.InsideOpenTelemetry, contract.Async):
    product = HTTPX2


class TestClientByOpenTelemetry(contract.ClientByOpenTelemetry):
    product = HTTPX2


class TestClientByOpenTelemetryAsync(contract.ClientByOpenTelemetry, contract.Async):
    product = HTTPX2


class TestTransport(contract.Explicit):
    product = HTTPX2


class TestTransportAsync(contract.Explicit, contract.Async):
    product = HTTPX2


class TestTransportAroundOpenTelemetrysAsync(contract.TransportAroundOpenTelemetrys, contract.Async):
    product = HTTPX2


class TestTransportWithinOpenTelemetrys(contract.TransportWithinOpenTelemetrys):
    product = HTTPX2


class TestBoth(contract.Both):
    product = HTTPX2
