"""gRPC while it is instrumented: it still behaves as it does, and goes back to what it was."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from opentelemetry import context

import synthetic
from synthetic._work.state import VERDICT
from synthetic.errors import ConfigurationError
from synthetic_grpc import (
    AioExternalRpcRefused,
    AioServerInterceptor,
    ExternalRpcRefused,
    ServerInterceptor,
    integration,
)
from synthetic_grpc._target import urls_of
from tests.products.grpc import SERVICE, handlers
from tests.products.grpc.clients import call
from tests.products.grpc.servers import Recording, aio_server, sync_server
from tests.products.grpc.service import Sync
from tests.support.clients import OURS, has_no_marker, token_of
from tests.support.markers import forged, marked
from tests.support.switches import instrumented as switched_on
from tests.support.versions import needs

Keys = dict[str, Any]
BOOK = "/rides.Rides/book"


@pytest.fixture(autouse=True)
def takes_part(keys: Keys) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS, "localhost"])


@pytest.fixture
def server() -> Iterator[Recording]:
    with Recording() as server:
        yield server


@pytest.fixture
def instrumented() -> Iterator[None]:
    with switched_on("grpc"):
        yield


@pytest.fixture
def channel(instrumented: None, server: Recording) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.target()) as channel:
        yield channel


# On and off


def ways() -> list[Any]:
    """Every attribute that is patched, as it is now."""
    return [vars(patch._owner)[patch._name] for patch in integration._patches]  # type: ignore[attr-defined]


def test_after_uninstrument_every_attribute_is_the_original_again() -> None:
    before = ways()
    for _ in range(2):
        synthetic.instrument("grpc")
        synthetic.instrument("grpc")
        assert not any(now is then for now, then in zip(ways(), before, strict=True))
        synthetic.uninstrument("grpc")
        synthetic.uninstrument("grpc")
        assert all(now is then for now, then in zip(ways(), before, strict=True))


def test_channels_and_servers_made_while_instrumented_go_on_without_the_marker(server: Recording, keys: Keys) -> None:
    synthetic.instrument("grpc")
    channel = grpc.insecure_channel(server.target())
    method = channel.unary_unary(BOOK)
    with sync_server() as port, channel:
        assert call(port, "unary_unary", forged(keys)).code is grpc.StatusCode.PERMISSION_DENIED
        synthetic.uninstrument("grpc")
        assert call(port, "unary_unary", forged(keys)).code is grpc.StatusCode.OK
        with synthetic.simulated(run="rush-hour"):
            method(b"")
    assert has_no_marker(server.only)


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("serving", [sync_server, aio_server])
def test_every_server_is_an_entrance(keys: Keys, serving: Any) -> None:
    with serving() as port:
        assert call(port, "unary_unary", marked(keys, run="peak")).only()["marker"]["run"] == "peak"
        assert call(port, "unary_unary", forged(keys)).code is grpc.StatusCode.PERMISSION_DENIED
        assert call(port, "unary_unary").only()["explicit"] is True


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize(("serving", "ours"), [(sync_server, ServerInterceptor), (aio_server, AioServerInterceptor)])
def test_an_explicit_interceptor_takes_precedence_over_instrument(serving: Any, ours: Any) -> None:
    with serving(ours(on_unverified="strip")) as port:
        assert call(port, "unary_unary", [("baggage", "synthetic-traffic=1")]).only()["simulated"] is False
    with serving() as port:
        assert call(port, "unary_unary", [("baggage", "synthetic-traffic=1")]).code is grpc.StatusCode.PERMISSION_DENIED


def test_an_edge_that_strips_without_keys_is_an_error_at_the_start() -> None:
    synthetic.configure()
    with pytest.raises(ConfigurationError):
        ServerInterceptor(on_unverified="strip")


# What a call can be asked for


def test_a_call_still_has_the_whole_api_of_grpc(channel: grpc.Channel, server: Recording) -> None:
    method = channel.unary_unary(BOOK)
    assert isinstance(method, grpc.UnaryUnaryMultiCallable)
    assert isinstance(channel.unary_stream(BOOK), grpc.UnaryStreamMultiCallable)
    assert isinstance(channel.stream_unary(BOOK), grpc.StreamUnaryMultiCallable)
    assert isinstance(channel.stream_stream(BOOK), grpc.StreamStreamMultiCallable)
    with synthetic.simulated(run="rush-hour"):
        response, ended = method.with_call(
            b"1", timeout=60, metadata=(("own", "1"),), wait_for_ready=True, compression=grpc.Compression.Gzip
        )
        future = method.future(b"2", 10, (("own", "2"),))
        assert (response, ended.code(), future.result()) == (b"1", grpc.StatusCode.OK, b"2")
        assert channel.stream_unary(BOOK).future(iter([b"3", b"4"])).result() == b"34"
    assert [request.values("own") for request in server.requests] == [["1"], ["2"], []]
    assert len({token_of(request) for request in server.requests}) == 1


def test_deadlines_and_errors_are_those_of_grpc(instrumented: None) -> None:
    with (
        sync_server() as port,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
        synthetic.simulated(run="rush-hour"),
    ):
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary(f"/{SERVICE}/fail")(b"")
        assert failed.value.code() is grpc.StatusCode.UNKNOWN
        with pytest.raises(grpc.RpcError) as late:
            list(channel.unary_stream(f"/{SERVICE}/endless")(b"", timeout=0.05))
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_stream_can_be_cancelled(instrumented: None) -> None:
    with sync_server() as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        responses = channel.unary_stream(f"/{SERVICE}/endless")(b"")
        assert next(responses)
        responses.cancel()
        with pytest.raises(grpc.RpcError) as ended:
            list(responses)
        assert ended.value.code() is grpc.StatusCode.CANCELLED


class Watching(grpc.UnaryUnaryClientInterceptor):
    """An interceptor of grpc's own kind, above ours: it looks at what comes back as at a call."""

    def __init__(self) -> None:
        self.codes: list[Any] = []

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        ended = continuation(client_call_details, request)
        self.codes.append(ended.code())
        return ended


def test_an_outer_interceptor_sees_a_refusal_as_a_failed_call(
    channel: grpc.Channel, server: Recording, keys: Keys
) -> None:
    synthetic.configure(keys=keys, internal_hosts=["payments"])
    watching = Watching()
    method = grpc.intercept_channel(channel, watching).unary_unary(BOOK)
    with synthetic.simulated(run="rush-hour"):
        with pytest.raises(ExternalRpcRefused):
            method(b"")
        with pytest.raises(ExternalRpcRefused) as raised:
            method.with_call(b"")
        with pytest.raises(ExternalRpcRefused):
            method.future(b"").result()
    assert watching.codes == [grpc.StatusCode.PERMISSION_DENIED] * 2
    done: list[Any] = []
    error = raised.value
    error.add_done_callback(done.append)
    assert (done, error.exception(), error.done(), error.cancel(), error.is_active()) == (
        [error], error, True, False, False
    )  # fmt: skip
    assert not server.requests


@pytest.mark.usefixtures("instrumented")
def test_an_aio_call_still_has_the_whole_api_of_grpc(server: Recording) -> None:
    async def main() -> None:
        async with grpc.aio.insecure_channel(server.target()) as channel:
            call = channel.unary_unary(BOOK)(b"1", timeout=60, metadata=(("own", "1"),))
            assert isinstance(call, grpc.aio.UnaryUnaryCall)
            remaining = call.time_remaining()  # NotImplementedError with any interceptor
            assert remaining is not None
            assert remaining > 5
            assert (await call, await call.code()) == (b"1", grpc.StatusCode.OK)
            stream = channel.stream_stream(BOOK)()
            await stream.write(b"2")
            await stream.write(b"3")
            await stream.done_writing()
            assert await stream.read() == b"23"
            assert await stream.read() is grpc.aio.EOF

    with synthetic.simulated(run="rush-hour"):
        asyncio.run(main())
    assert len({token_of(request) for request in server.requests}) == 1


@pytest.mark.usefixtures("instrumented")
def test_an_aio_stream_can_be_cancelled() -> None:
    async def main(port: int) -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            responses = channel.unary_stream(f"/{SERVICE}/endless")(b"")
            assert await responses.read()
            responses.cancel()
            with pytest.raises(asyncio.CancelledError):
                await responses.read()
            assert await responses.code() is grpc.StatusCode.CANCELLED

    with aio_server() as port:
        asyncio.run(main(port))


@pytest.mark.usefixtures("instrumented")
def test_the_callers_aio_metadata_object_is_not_changed(server: Recording) -> None:
    async def main() -> None:
        metadata = grpc.aio.Metadata(("own", "1"), ("baggage", "a=1"))
        async with grpc.aio.insecure_channel(server.target()) as channel:
            await channel.unary_unary(BOOK)(b"", metadata=metadata)
        assert metadata == grpc.aio.Metadata(("own", "1"), ("baggage", "a=1"))

    with synthetic.simulated(run="rush-hour"):
        asyncio.run(main())
    assert server.only.values("baggage")[0].endswith(",a=1")


@pytest.mark.usefixtures("instrumented")
def test_a_unix_socket_counts_as_this_machine(tmp_path: Path, keys: Keys) -> None:
    seen: list[bool] = []

    def book(request: bytes, context: Any) -> bytes:
        seen.append(synthetic.is_synthetic())
        return b"booked"

    server = grpc.server(ThreadPoolExecutor(1))
    method = grpc.unary_unary_rpc_method_handler(book)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("rides.Rides", {"book": method}),))
    server.add_insecure_port(f"unix:{tmp_path}/s")
    server.start()
    with grpc.insecure_channel(f"unix:{tmp_path}/s") as channel, synthetic.simulated(run="rush-hour"):
        assert channel.unary_unary(BOOK)(b"") == b"booked"
        synthetic.configure(keys=keys, internal_hosts=["payments"])
        with pytest.raises(ExternalRpcRefused):
            channel.unary_unary(BOOK)(b"")
    server.stop(0).wait()
    assert seen == [True]


class AioWatching(grpc.aio.UnaryUnaryClientInterceptor):
    """An interceptor that changes nothing."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(client_call_details, request)


@pytest.mark.parametrize("interceptors", [(), (AioWatching(),)], ids=["", "with an interceptor"])
def test_an_aio_channel_made_before_instrument_sends_only_real_calls(server: Recording, interceptors: Any) -> None:
    async def main() -> None:
        async with grpc.aio.insecure_channel(server.target(), interceptors=interceptors) as channel:
            synthetic.instrument("grpc")
            try:
                method = channel.unary_unary(BOOK)
                assert await method(b"1") == b"1"
                with synthetic.real():
                    assert await method(b"2", metadata=(("baggage", "a=1"),)) == b"2"
                with (
                    synthetic.simulated(run="rush-hour"),
                    pytest.raises(AioExternalRpcRefused, match="a client made before instrument"),
                ):
                    await method(b"3")
                assert await method(b"4") == b"4"
            finally:
                synthetic.uninstrument("grpc")

    asyncio.run(main())
    assert [request.values("baggage") for request in server.requests] == [[], ["a=1"], []]


# Servers


@needs("grpcio", "1.64", "has no registered methods on its server")
@pytest.mark.usefixtures("instrumented")
def test_methods_registered_by_generated_code_carry_the_marker_at_both_ends() -> None:
    def book(request: StringValue, context: Any) -> StringValue:
        marker = synthetic.current()
        return StringValue(value=f"{request.value} {marker and marker.run}")

    server = grpc.server(ThreadPoolExecutor(1))
    method = grpc.unary_unary_rpc_method_handler(book, StringValue.FromString, StringValue.SerializeToString)
    server.add_registered_method_handlers("rides.Rides", {"book": method})
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = channel.unary_unary(BOOK, StringValue.SerializeToString, StringValue.FromString, _registered_method=True)
        assert stub(StringValue(value="taxi")).value == "taxi None"
        with synthetic.simulated(run="peak"):
            assert stub(StringValue(value="taxi")).value == "taxi peak"
        with pytest.raises(grpc.RpcError) as refused:
            stub(StringValue(value="taxi"), metadata=(("baggage", "synthetic-traffic=1"),))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    server.stop(0).wait()


def test_nothing_is_left_behind_on_the_threads_of_the_pool(keys: Keys) -> None:
    pool = ThreadPoolExecutor(1)
    with sync_server(ServerInterceptor(), pool=pool) as port:
        for name in ("unary_unary", "unary_stream", "stream_unary", "stream_stream", "fail", "fail_stream"):
            for headers in (marked(keys), ()):
                call(port, name, headers)
                assert pool.submit(lambda: (VERDICT.get(), dict(context.get_current()))).result() == (None, {})


def test_a_stream_closed_in_another_context_ends_under_its_own_verdict(keys: Keys) -> None:
    """As the garbage collector may have it."""
    ended: list[bool] = []

    async def book(request: bytes, context: Any) -> Any:
        try:
            yield b"first"
        finally:
            ended.append(synthetic.is_synthetic())

    class Details:
        method = BOOK
        invocation_metadata = marked(keys)

    async def found(details: Any) -> Any:
        return grpc.unary_stream_rpc_method_handler(book)  # type: ignore[arg-type, unused-ignore]

    async def main() -> None:
        handler = await AioServerInterceptor().intercept_service(found, Details())
        responses = handler.unary_stream(b"", None)
        assert await responses.__anext__() == b"first"
        await Context().run(asyncio.get_running_loop().create_task, responses.aclose())

    asyncio.run(main())
    assert ended == [True]


class Watched(grpc.ServerInterceptor):
    """An interceptor inside ours."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        given = [value for name, value in handler_call_details.invocation_metadata if name == "baggage"]
        self.seen.append((synthetic.is_synthetic(), given))
        return continuation(handler_call_details)


class AioWatched(grpc.aio.ServerInterceptor):
    """The same for an aio server."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        given = [value for name, value in handler_call_details.invocation_metadata if name == "baggage"]
        self.seen.append((synthetic.is_synthetic(), given))
        return await continuation(handler_call_details)


@pytest.mark.parametrize(
    ("serving", "ours", "watching"),
    [(sync_server, ServerInterceptor, Watched), (aio_server, AioServerInterceptor, AioWatched)],
)
def test_inner_interceptors_run_under_the_verdict_and_see_the_handlers_metadata(
    keys: Keys, serving: Any, ours: Any, watching: Any
) -> None:
    watched = watching()
    with serving(ours(on_unverified="strip"), watched) as port:
        headers = marked(keys)
        call(port, "unary_unary", headers)
        call(port, "unary_unary", [("baggage", "a=1,synthetic-traffic=1")])
        call(port, "unary_unary", forged(keys))
    assert watched.seen == [(True, [headers[0][1]]), (False, ["a=1"])]


def test_a_handler_still_runs_in_its_own_pool(keys: Keys) -> None:
    names: list[str] = []

    def book(request: bytes, context: Any) -> bytes:
        names.append(threading.current_thread().name)
        return b"simulated" if synthetic.is_synthetic() else b"real"

    own = ThreadPoolExecutor(1, thread_name_prefix="own")
    book.experimental_thread_pool = own  # type: ignore[attr-defined]

    class Servicer:
        unary_unary = staticmethod(book)

    with sync_server(ServerInterceptor(), servicer=Servicer()) as port:
        assert call(port, "unary_unary", marked(keys)).responses == [b"simulated"]
    own.shutdown()
    assert names[0].startswith("own")


def test_a_non_blocking_handler_still_sends_its_own_responses(keys: Keys) -> None:
    def send(request: bytes, context: Any, send_response: Any) -> None:
        send_response(b"simulated" if synthetic.is_synthetic() else b"real")
        send_response(None)

    send.experimental_non_blocking = True  # type: ignore[attr-defined]

    class Servicer:
        unary_stream = staticmethod(send)

    with sync_server(ServerInterceptor(), servicer=Servicer()) as port:
        assert call(port, "unary_stream", marked(keys)).responses == [b"simulated"]
        assert call(port, "unary_stream").responses == [b"real"]


class Registering:
    """Handlers that have something to be done when the call has ended."""

    def __init__(self) -> None:
        self.ended: queue.SimpleQueue[tuple[bool, bool]] = queue.SimpleQueue()

    def note(self, *_: object) -> None:
        self.ended.put((synthetic.is_synthetic(), bool(synthetic.headers())))

    def unary_unary(self, request: bytes, context: Any) -> bytes:
        assert context.add_callback(self.note) is not False
        return b"booked"

    def unary_stream(self, request: bytes, context: Any) -> Iterator[bytes]:
        assert context.add_callback(self.note) is not False
        yield b"booked"


class AioRegistering(Registering):
    """The same for an aio server."""

    async def unary_unary(self, request: bytes, context: Any) -> bytes:  # type: ignore[override]
        context.add_done_callback(self.note)
        return b"booked"

    async def unary_stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:  # type: ignore[override]
        context.add_done_callback(self.note)
        yield b"booked"


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize(
    ("serving", "servicer", "kind"),
    [
        (sync_server, Registering, "unary_unary"),
        (sync_server, Registering, "unary_stream"),
        (aio_server, AioRegistering, "unary_unary"),
        (aio_server, AioRegistering, "unary_stream"),
        (aio_server, Registering, "unary_unary"),  # of a stream, grpc itself calls none
    ],
)
def test_callbacks_at_the_end_of_a_call_have_its_verdict(keys: Keys, serving: Any, servicer: Any, kind: str) -> None:
    registering = servicer()
    with serving(servicer=registering) as port:
        for simulated in (True, False, True):
            headers = marked(keys) if simulated else ()
            assert call(port, kind, headers).responses == [b"booked"]
            assert registering.ended.get(timeout=60) == (simulated, simulated)


def test_every_handler_is_served() -> None:
    assert set(handlers(Sync())) >= {"unary_unary", "unary_stream", "stream_unary", "stream_stream"}


# Targets


@pytest.mark.parametrize(
    ("target", "urls"),
    [
        ("payments:443", ["//payments:443"]),
        ("payments", ["//payments"]),
        ("[::1]:443", ["//[::1]:443"]),
        ("::1", ["//[::1]"]),
        ("[fe80::1%eth0]:5", ["//[fe80::1]:5"]),
        ("dns:///api.vendor.example:443", ["//api.vendor.example:443"]),
        ("dns://8.8.8.8/payments:443", ["//payments:443"]),
        ("dns:payments:443", ["//payments:443"]),
        ("DNS:///api%2Evendor.example", ["//api.vendor.example"]),
        ("ipv4:10.0.0.1:1,10.0.0.2:2", ["//10.0.0.1:1", "//10.0.0.2:2"]),
        ("ipv6:[::1]:1,[2001:db8::1]", ["//[::1]:1", "//[2001:db8::1]"]),
        ("ipv6:%5B::1%5D:1", ["//[::1]:1"]),
        ("unix:/run/s", ["//localhost"]),
        ("unix:///run/s", ["//localhost"]),
        ("unix-abstract:name", ["//localhost"]),
        ("xds:///payments", ["//payments"]),
        ("xds://traffic-director/payments:80", ["//payments:80"]),
        ("google-c2p:///storage.googleapis.com", ["//storage.googleapis.com"]),
        ("vsock:2:1024", ["//"]),
        ("https://api.vendor.example", ["//"]),
        ("", ["//"]),
    ],
)
def test_the_hosts_of_a_target(target: str, urls: list[str]) -> None:
    assert list(urls_of(target)) == urls


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("target", ["vsock:2:1024", "[v1", "dns:///a:b:c"])
def test_a_target_without_a_host_does_not_take_part(target: str) -> None:
    with (
        grpc.insecure_channel(target) as channel,
        synthetic.simulated(run="rush-hour"),
        pytest.raises(ExternalRpcRefused),
    ):
        channel.unary_unary(BOOK)(b"", timeout=1)
