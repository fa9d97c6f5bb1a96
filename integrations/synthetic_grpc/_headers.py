"""The ``baggage`` in the metadata of a call at a server."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import wrapt

from synthetic.integration import BAGGAGE, Carried, Real, Received

__all__ = ["baggage_of", "context_of", "with_onward"]


def baggage_of(metadata: Any) -> list[str]:
    """Return the values of every ``baggage`` entry; gRPC has all names in lower case."""
    values: list[str] = []
    for name, value in metadata or ():  # for every call, and twice as fast as a comprehension in Python 3.11
        if name == BAGGAGE:
            values.append(value)
    return values


def with_onward(details: Any, onward: Any) -> Any:
    """Return the details of a call with ``onward`` as its ``baggage``; None leaves them as they are."""
    if onward is None:
        return details
    return type(details)(details.method, _replaced(details.invocation_metadata, onward))


class _Metadatum(NamedTuple):
    """One entry, as grpc itself gives it to handlers."""

    key: str
    value: str


def _replaced(metadata: Any, onward: Any) -> tuple[Any, ...]:
    others = [entry for entry in metadata or () if entry[0] != BAGGAGE]
    return (*(_Metadatum(BAGGAGE, value) for value in onward), *others)


class _Context(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A servicer context that differs only in its metadata, and in the callbacks for the end of the call."""

    def __init__(self, context: Any, verdict: Real | Received, onward: Any) -> None:
        super().__init__(context)  # pyright: ignore[reportUnknownMemberType]
        self._self_verdict = verdict
        self._self_onward = onward

    def invocation_metadata(self) -> Any:
        metadata: Any = cast("Any", self).__wrapped__.invocation_metadata()
        return metadata if self._self_onward is None else _replaced(metadata, self._self_onward)

    def add_callback(self, callback: Any) -> Any:
        # grpc calls it in a thread, or a task, of its own.
        return cast("Any", self).__wrapped__.add_callback(Carried(self._self_verdict, callback))

    def add_done_callback(self, callback: Any) -> None:
        cast("Any", self).__wrapped__.add_done_callback(Carried(self._self_verdict, callback))


def context_of(context: Any, verdict: Real | Received, onward: Any) -> Any:
    """Return the context that the handler gets: with ``onward`` as its ``baggage``; None leaves that as it is."""
    return context if onward is None and isinstance(verdict, Real) else _Context(context, verdict, onward)
