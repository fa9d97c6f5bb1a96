"""gRPC, while OpenTelemetry and Sentry instrument it as well; both ends."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest
from opentelemetry.instrumentation.grpc import aio_server_interceptor, server_interceptor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import synthetic
from synthetic_grpc import AioServerInterceptor, ServerInterceptor
from tests.integrations.grpc.server_contract import StreamsThatAreLeft
from tests.products.grpc.clients import call
from tests.products.grpc.servers import Recording, aio_server, sync_server
from tests.support.clients import has_no_marker, run_script, token_of
from tests.support.markers import marked
from tests.support.orders import orders, switched
from tests.support.versions import SENTRY_BAGGAGE, skip_before


class TestSyncInsideOpenTelemetry(StreamsThatAreLeft):
    def serving(self, **settings: Any) -> AbstractContextManager[int]:
        return sync_server(server_interceptor(), ServerInterceptor(**settings))


class TestSyncOutsideOpenTelemetry(StreamsThatAreLeft):
    def serving(self, **settings: Any) -> AbstractContextManager[int]:
        return sync_server(ServerInterceptor(**settings), server_interceptor())


class TestSyncTwice(StreamsThatAreLeft):
    def serving(self, **settings: Any) -> AbstractContextManager[int]:
        return sync_server(ServerInterceptor(**settings), ServerInterceptor(**settings))


class TestAioInsideOpenTelemetry(StreamsThatAreLeft):
    def serving(self, **settings: Any) -> AbstractContextManager[int]:
        return aio_server(aio_server_interceptor(), AioServerInterceptor(**settings))


class TestAioOutsideOpenTelemetry(StreamsThatAreLeft):
    def serving(self, **settings: Any) -> AbstractContextManager[int]:
        return aio_server(AioServerInterceptor(**settings), aio_server_interceptor())


class TestAioTwice(StreamsThatAreLeft):
    def serving(self, **settings: Any) -> AbstractContextManager[int]:
        return aio_server(AioServerInterceptor(**settings), AioServerInterceptor(**settings))


@pytest.mark.parametrize("name", ["unary_unary", "unary_stream"])
@pytest.mark.parametrize("is_aio", [False, True])
def test_a_span_that_began_before_admission_is_marked(keys: dict[str, Any], name: str, is_aio: bool) -> None:
    synthetic.configure(keys=keys)
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    if is_aio:
        serving = aio_server(aio_server_interceptor(provider), AioServerInterceptor())
    else:
        serving = sync_server(server_interceptor(provider), ServerInterceptor())
    with serving as port:
        call(port, name, marked(keys, run="peak"))
        call(port, name)
    simulated, real = spans.get_finished_spans()
    assert (simulated.attributes or {})["synthetic.run"] == "peak"
    assert "synthetic.run" not in (real.attributes or {})


# In any order, in a program of its own

BOTH_ENDS = """
import asyncio, sys
from concurrent.futures import ThreadPoolExecutor
import grpc, grpc.aio
from grpc import insecure_channel  # names imported before instrument() are covered, too
import synthetic

METHOD = "/rides.Rides/book"

def answer():
    return b"simulated" if synthetic.is_synthetic() else b"real"

async def aio_answer(request, context):
    return answer()

def handlers(function):
    method = grpc.unary_unary_rpc_method_handler(function)
    return (grpc.method_handlers_generic_handler("rides.Rides", {"book": method}),)

def sync(host):
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers(handlers(lambda request, context: answer()))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with insecure_channel(f"{host}:{port}") as channel:
            return channel.unary_unary(METHOD)(b"", timeout=60).decode()
    finally:
        server.stop(0).wait()

def aio(host):
    async def main():
        server = grpc.aio.server()
        server.add_generic_rpc_handlers(handlers(aio_answer))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
                return (await channel.unary_unary(METHOD)(b"", timeout=60)).decode()
        finally:
            await server.stop(0)
    return asyncio.run(main())

def seen(function, host="127.0.0.1"):
    try:
        return function(host)
    except synthetic.EffectRefused:
        return "refused"

def say():
    with synthetic.simulated(run="rush-hour"):
        print(seen(sync), seen(sync, "localhost"), seen(aio), seen(aio, "localhost"), flush=True)
    print(seen(sync), seen(sync, "localhost"), seen(aio), seen(aio, "localhost"), flush=True)

synthetic.configure(internal_hosts=["127.0.0.1"])
"""

IN_AN_ORDER = f"""{BOTH_ENDS}
from opentelemetry.instrumentation.grpc import (
    GrpcAioInstrumentorClient, GrpcAioInstrumentorServer, GrpcInstrumentorClient, GrpcInstrumentorServer
)
theirs = [
    GrpcAioInstrumentorClient(), GrpcAioInstrumentorServer(), GrpcInstrumentorClient(), GrpcInstrumentorServer()
]
synthetic.instrument("logging")  # or simulated work could not begin while ours is off
steps = {{
    "ours on": lambda: synthetic.instrument("grpc"),
    "ours off": lambda: synthetic.uninstrument("grpc"),
    "theirs on": lambda: [one.instrument() for one in theirs],
    "theirs off": lambda: [one.uninstrument() for one in theirs],
}}
for step in sys.argv[1:]:
    steps[step]()
    say()
"""


@orders()
def test_both_ends_work_in_every_order_of_switching_with_opentelemetry(
    keys: dict[str, Any], steps: tuple[str, ...]
) -> None:
    printed = run_script(IN_AN_ORDER, *steps, keys=keys).splitlines()
    for number, (step, is_on) in enumerate(switched(steps)):
        simulated, real = printed[2 * number : 2 * number + 2]
        if is_on:
            assert simulated == "simulated refused simulated refused", step
            assert real == "real real real real", step
        else:
            assert "refused" not in simulated, step


SENTRY = f"""{BOTH_ENDS}
import sentry_sdk
from sentry_sdk.integrations.grpc import GRPCIntegration
from sentry_sdk.transport import Transport

class Nowhere(Transport):
    def capture_envelope(self, envelope):
        pass

if sys.argv[1] == "ours":
    synthetic.instrument("grpc")
sentry_sdk.init(
    dsn="http://key@127.0.0.1:9/1",
    traces_sample_rate=1.0,
    transport=Nowhere,
    integrations=[GRPCIntegration()],
    default_integrations=False,
)
synthetic.instrument("grpc")
with sentry_sdk.start_transaction(name="ride"):
    say()
    if len(sys.argv) > 2:
        for work in (lambda: synthetic.simulated(run="rush-hour"), synthetic.real):
            with work(), grpc.insecure_channel(sys.argv[2]) as channel:
                channel.unary_unary(METHOD)(b"", timeout=60)
"""


@pytest.mark.parametrize("first", ["ours", "sentry"])
def test_the_marker_goes_once_beside_sentrys_own_baggage(keys: dict[str, Any], first: str) -> None:
    skip_before(*SENTRY_BAGGAGE)
    with Recording() as server:
        printed = run_script(SENTRY, first, server.target(), keys=keys).splitlines()
    assert printed == ["simulated refused simulated refused", "real real real real"]
    marked_call, real_call = server.requests
    assert token_of(marked_call)
    assert has_no_marker(real_call)
    assert any("sentry-" in line for line in real_call.values("baggage"))
