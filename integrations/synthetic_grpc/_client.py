"""The marker in calls of synchronous channels."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import wraps
from types import GeneratorType
from typing import Any, cast

import grpc
from opentelemetry.context import Context

from synthetic._egress import in_context
from synthetic_grpc._errors import ExternalRpcRefused
from synthetic_grpc._way import Way

__all__ = ["KINDS", "ClientInterceptor", "marking"]


class ClientInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Sends the marker along, for ``grpc.intercept_channel``, where ``instrument()`` is too much.

    ``target`` is that of the channel: an interceptor is not told. Simulated calls to a host that does not take part
    raise ExternalRpcRefused.
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
        metadata, otel = self._way.leaving(client_call_details.metadata)
        details = client_call_details
        if metadata is not details.metadata:
            details = _Details(details, metadata)
        if otel is None:
            return continuation(details, request)
        with in_context(otel):
            answer = continuation(details, request)
        # OpenTelemetry's interceptor gives a generator, which writes its headers when it is first asked.
        return _begun_in(otel, cast("Any", answer)) if isinstance(answer, GeneratorType) else answer


class _Details(grpc.ClientCallDetails):
    """The details of a call with other metadata; what is not there, grpc takes from the call itself."""

    def __init__(self, details: Any, metadata: Any) -> None:
        for name in ("method", "timeout", "credentials", "wait_for_ready", "compression"):
            if hasattr(details, name):
                setattr(self, name, getattr(details, name))
        self.metadata = metadata


_END: Any = object()


def _begun_in(otel: Context, responses: Generator[Any, Any, Any]) -> Generator[Any, Any, None]:
    with in_context(otel):
        first = next(responses, _END)
    if first is _END:
        return
    yield first
    yield from responses


class _Marking:
    """A method of a channel that sends the marker along; in everything else it is the channel's own."""

    def __init__(self, call: Any, way: Way, is_on: Callable[[], bool]) -> None:
        self._call = call
        self._way = way
        self._is_on = is_on

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._made(self._call, args, kwargs)

    def _made(self, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._is_on():
            metadata = args[2] if len(args) > 2 else kwargs.get("metadata")
            leaving = self._way.leaving(metadata)[0]
            if leaving is metadata:
                pass
            elif len(args) > 2:
                args = (*args[:2], leaving, *args[3:])
            else:
                kwargs["metadata"] = leaving
        return call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_call":
            raise AttributeError(name)  # not set yet: a copy in the making
        return getattr(self._call, name)


class _MarkingUnary(_Marking):
    """The same where there is one response."""

    def with_call(self, *args: Any, **kwargs: Any) -> Any:
        return self._made(self._call.with_call, args, kwargs)

    def future(self, *args: Any, **kwargs: Any) -> Any:
        return self._made(self._call.future, args, kwargs)


class _UnaryUnary(_MarkingUnary, grpc.UnaryUnaryMultiCallable):  # type: ignore[type-arg]
    pass


class _UnaryStream(_Marking, grpc.UnaryStreamMultiCallable):  # type: ignore[type-arg]
    pass


class _StreamUnary(_MarkingUnary, grpc.StreamUnaryMultiCallable):  # type: ignore[type-arg]
    pass


class _StreamStream(_Marking, grpc.StreamStreamMultiCallable):  # type: ignore[type-arg]
    pass


KINDS: dict[str, type[_Marking]] = {
    "unary_unary": _UnaryUnary,
    "unary_stream": _UnaryStream,
    "stream_unary": _StreamUnary,
    "stream_stream": _StreamStream,
}
"""The methods of a channel, and what they return."""


def marking(kind: type[_Marking]) -> Callable[[Any, Callable[[], bool]], Any]:
    """Return the wrapper for a method of ``KINDS``."""

    def wrap(original: Any, is_on: Callable[[], bool]) -> Any:
        @wraps(original)
        def method(channel: Any, *args: Any, **kwargs: Any) -> Any:
            call = original(channel, *args, **kwargs)
            return kind(call, Way(_target_of(channel), ExternalRpcRefused), is_on) if is_on() else call

        return method

    return wrap


def _target_of(channel: Any) -> str:
    target: Any = channel._channel.target()
    return target.decode() if isinstance(target, bytes) else str(target)
