"""Interceptors for single channels, which need no patches."""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import GeneratorType
from typing import Any, cast

import grpc
import grpc.aio

from synthetic.integration import Within, directly
from synthetic_grpc._callbacks import covered
from synthetic_grpc._out import Way
from synthetic_grpc._out_aio import KINDS
from synthetic_grpc._refusal import AioExternalRpcRefused, ExternalRpcRefused

__all__ = ["ClientInterceptor", "aio_client_interceptors"]


class ClientInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Sends the marker on one channel: pass it to ``grpc.intercept_channel`` instead of instrumenting all channels.

    ``target`` is the target of the channel, which interceptors do not get from grpc. Simulated calls to a host that
    does not take part raise ExternalRpcRefused.
    """

    def __init__(self, target: str) -> None:
        self._way = Way(target, ExternalRpcRefused)

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Make one call."""
        return self._made(continuation, client_call_details, request)

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Make one call."""
        return self._made(continuation, client_call_details, request)

    def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        """Make one call."""
        return self._made(continuation, client_call_details, request_iterator)

    def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        """Make one call."""
        return self._made(continuation, client_call_details, request_iterator)

    def _made(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        metadata, within = self._way.leaving(client_call_details.metadata)
        details = client_call_details
        if metadata is not details.metadata:
            details = _Details(details, metadata)
        answer = within(continuation, details, request)
        if not isinstance(answer, GeneratorType):
            return covered(answer)
        if within is directly:
            return cast("Any", answer)
        # OpenTelemetry's interceptor returns a generator, which writes its headers at the first step.
        return _begun_in(within, cast("Any", answer))


class _Details(grpc.ClientCallDetails):
    """The details of a call with other metadata; grpc takes any that are missing from the call itself."""

    def __init__(self, details: Any, metadata: Any) -> None:
        for name in ("method", "timeout", "credentials", "wait_for_ready", "compression"):
            if hasattr(details, name):
                setattr(self, name, getattr(details, name))
        self.metadata = metadata


_END: Any = object()


def _begun_in(within: Within, responses: Generator[Any, Any, Any]) -> Generator[Any, Any, None]:
    first = within(next, responses, _END)
    if first is _END:
        return
    yield first
    yield from responses


def aio_client_interceptors(target: str) -> list[grpc.aio.ClientInterceptor]:
    """Return the interceptors that send the marker, one for each kind of call: pass them to an aio channel, last.

    ``target`` is the target of the channel, which interceptors do not get from grpc. Simulated calls to a host that
    does not take part raise AioExternalRpcRefused.
    """
    way = Way(target, AioExternalRpcRefused)
    interceptors: list[Any] = [interceptor(way) for _, interceptor in KINDS.values()]
    return interceptors
