"""httpx: every rule for clients, synchronous and asynchronous, in every way of switching it on."""

from __future__ import annotations

from tests.integrations.httpx import contract as contract
from tests.products.httpx import product

HTTPX = product("httpx")


class TestInstrumented(contract.HttpxContract):
    product = HTTPX


class TestInstrumentedAsync(contract.Async):
    product = HTTPX


class TestInstrumentedInsideOpenTelemetry(contract.InsideOpenTelemetry):
    product = HTTPX


class TestInstrumentedInsideOpenTelemetryAsync(contract.InsideOpenTelemetry, contract.Async):
    product = HTTPX


class TestClientByOpenTelemetry(contract.ClientByOpenTelemetry):
    product = HTTPX


class TestClientByOpenTelemetryAsync(contract.ClientByOpenTelemetry, contract.Async):
    product = HTTPX


class TestTransport(contract.Explicit):
    product = HTTPX


class TestTransportAsync(contract.Explicit, contract.Async):
    product = HTTPX


class TestTransportAroundOpenTelemetrysAsync(contract.TransportAroundOpenTelemetrys, contract.Async):
    product = HTTPX


class TestTransportWithinOpenTelemetrys(contract.TransportWithinOpenTelemetrys):
    product = HTTPX


class TestBoth(contract.Both):
    product = HTTPX
