"""The marker in calls of aio channels."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import grpc.aio

from synthetic.integration import IsOn, always_on
from synthetic_grpc._out import Way
from synthetic_grpc._refusal import AioExternalRpcRefused

__all__ = ["KINDS", "marking", "remembering"]

_TARGET: Final = "_synthetic_target"


class _Interceptor:
    def __init__(self, way: Way, is_on: IsOn = always_on) -> None:
        self._way = way
        self._is_on = is_on

    async def _intercept(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        if not self._is_on():
            return await continuation(client_call_details, request)
        details = client_call_details
        metadata, within = self._way.leaving(details.metadata)
        if metadata is not details.metadata:
            details = details._replace(metadata=grpc.aio.Metadata(*metadata))
        return await within(continuation, details, request)

    intercept_unary_unary = intercept_unary_stream = intercept_stream_unary = intercept_stream_stream = _intercept


class _UnaryUnaryInterceptor(_Interceptor, grpc.aio.UnaryUnaryClientInterceptor):
    pass


class _UnaryStreamInterceptor(_Interceptor, grpc.aio.UnaryStreamClientInterceptor):
    pass


class _StreamUnaryInterceptor(_Interceptor, grpc.aio.StreamUnaryClientInterceptor):
    pass


class _StreamStreamInterceptor(_Interceptor, grpc.aio.StreamStreamClientInterceptor):
    pass


class _Marking:
    """A method of a channel that adds the marker; in everything else it is the channel's own."""

    def __init__(self, call: Any, way: Way, is_on: IsOn) -> None:
        self._call = call
        self._way = way
        self._is_on = is_on

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._is_on():
            metadata = kwargs.get("metadata")
            leaving = self._way.leaving(metadata)[0]
            if leaving is not metadata:
                kwargs["metadata"] = leaving
        return self._call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_call":
            raise AttributeError(name)  # not set yet: a copy in the making
        return getattr(self._call, name)


class _UnaryUnary(_Marking, grpc.aio.UnaryUnaryMultiCallable):  # type: ignore[type-arg]
    pass


class _UnaryStream(_Marking, grpc.aio.UnaryStreamMultiCallable):  # type: ignore[type-arg]
    pass


class _StreamUnary(_Marking, grpc.aio.StreamUnaryMultiCallable):  # type: ignore[type-arg]
    pass


class _StreamStream(_Marking, grpc.aio.StreamStreamMultiCallable):  # type: ignore[type-arg]
    pass


KINDS: dict[str, tuple[type[_Marking], type[_Interceptor]]] = {
    "unary_unary": (_UnaryUnary, _UnaryUnaryInterceptor),
    "unary_stream": (_UnaryStream, _UnaryStreamInterceptor),
    "stream_unary": (_StreamUnary, _StreamUnaryInterceptor),
    "stream_stream": (_StreamStream, _StreamStreamInterceptor),
}
"""The methods of a channel, what they return, and the interceptor for their calls."""


def remembering(original: Any, is_on: IsOn) -> Any:
    """Wrap the constructor of a channel, which forgets its target."""

    @wraps(original)
    def __init__(channel: Any, target: str, *args: Any, **kwargs: Any) -> None:
        original(channel, target, *args, **kwargs)
        if is_on():
            setattr(channel, _TARGET, target)

    return __init__


def marking(kind: type[_Marking], interceptor: type[_Interceptor]) -> Callable[[Any, IsOn], Any]:
    """Return the wrapper for a method of ``KINDS``.

    If the channel has interceptors, ours is added as the last. If it has none, the method adds the marker itself: with
    any interceptor at all, grpc returns a call of another kind, and starts a task for it.
    """

    def wrap(original: Any, is_on: IsOn) -> Any:
        @wraps(original)
        def method(channel: Any, *args: Any, **kwargs: Any) -> Any:
            call = original(channel, *args, **kwargs)
            if not is_on():
                return call
            # The target of a channel that is older than our patch is unknown: its simulated calls are refused.
            way = Way(getattr(channel, _TARGET, ""), AioExternalRpcRefused)
            others = call._interceptors
            if not others:
                return kind(call, way, is_on)
            if not any(isinstance(other, _Interceptor) for other in others):
                call._interceptors = [*others, interceptor(way, is_on)]
            return call

        return method

    return wrap
