"""The marker in calls of synchronous channels; ``Way`` decides for both kinds of channel."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

import grpc

from synthetic.errors import ExternalCallRefused
from synthetic.integration import BAGGAGE, IsOn, Within, depart, directly, go_on_after, takes_part
from synthetic_grpc._refusal import ExternalRpcRefused
from synthetic_grpc._target import urls_of

__all__ = ["KINDS", "Way", "marking"]


class Way:
    """Decides for the calls to one target. A call that is refused raises ``refused``."""

    __slots__ = ("_refused", "_url", "_urls")

    def __init__(self, target: str, refused: type[ExternalCallRefused]) -> None:
        self._urls = urls_of(target)
        self._url = self._urls[0] if len(self._urls) == 1 else None
        self._refused = refused

    def leaving(self, metadata: Any) -> tuple[Any, Within]:
        """Return the metadata that a call leaves with, and how to make it.

        The caller's metadata are not changed; they are returned if they can stay as they are.
        """
        pairs: Any = tuple(metadata) if hasattr(metadata, "__next__") else metadata
        try:
            url = self._url or self._deciding()
            if not pairs:
                header, within = depart(url, None, refused=self._refused)
                return (pairs if header is None else ((BAGGAGE, header),)), within
            present = [_text(value) for name, value in pairs if name == BAGGAGE]
            carried = ",".join(present) if present else None
            header, within = depart(url, carried, refused=self._refused)
        except Exception as error:
            return go_on_after(error, (pairs, directly))
        if header == carried:
            return pairs, within
        kept = tuple(pair for pair in pairs if pair[0] != BAGGAGE)
        return (kept if header is None else ((BAGGAGE, header), *kept)), within

    def _deciding(self) -> str:
        """A call may go to any of several addresses: return the first that does not take part, if there is one."""
        return next((url for url in self._urls if not takes_part(urlsplit(url).hostname or "")), self._urls[0])


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


class _Marking:
    """A method of a channel that adds the marker; in everything else it is the channel's own."""

    def __init__(self, call: Any, way: Way, is_on: IsOn) -> None:
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
    """The same for methods with a single response."""

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


def marking(kind: type[_Marking]) -> Callable[[Any, IsOn], Any]:
    """Return the wrapper for a method of ``KINDS``."""

    def wrap(original: Any, is_on: IsOn) -> Any:
        @wraps(original)
        def method(channel: Any, *args: Any, **kwargs: Any) -> Any:
            call = original(channel, *args, **kwargs)
            return kind(call, Way(_target_of(channel), ExternalRpcRefused), is_on) if is_on() else call

        return method

    return wrap


def _target_of(channel: Any) -> str:
    target: Any = channel._channel.target()
    return target.decode() if isinstance(target, bytes) else str(target)
