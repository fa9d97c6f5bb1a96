"""The verdict on a piece of work: real, simulated, or unverified.

Verdicts are pickled into jobs for other processes. The path of this module is part of that format, and must not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Protocol, TypeAlias

from synthetic._model.marker import Marker
from synthetic._model.reason import Reason

__all__ = ["OUTLIVED", "REAL", "Baggage", "Real", "Received", "Simulated", "Unverified", "Verdict"]


Baggage: TypeAlias = "list[tuple[str, str, Mapping[str, object]]]"
"""Keeps the OpenTelemetry context that holds one token and nothing else, with the baggage key and the token."""


class Place(Protocol):
    """Room that simulated work takes, in a service that sheds."""

    def give_back(self) -> None:
        """Let others have it."""
        ...


class Real:
    """The verdict on work that carries no marker."""

    __slots__ = ()
    is_simulated: ClassVar[bool] = False
    marker: Final[None] = None
    place: Final[None] = None

    def begin(self) -> None:
        """Do nothing: real work needs no end."""

    def end(self) -> None:
        """Do nothing."""

    def give_place_back(self) -> None:
        """Do nothing: real work has no place to give back."""

    def __reduce__(self) -> str:
        return "REAL"  # in another process, too, there is only one

    def __repr__(self) -> str:
        return "<real>"


class Simulated:
    """The verdict on one piece of work that carries ``marker``: a request, a message, a ``with`` block, a job.

    Each piece of work has a verdict object of its own. It is spent when the work ends, for everything that still holds
    it: a thread, a task, a timer, a copied context (docs/protocol.md, "Inside and onward").
    """

    __slots__ = ("_parts", "baggage", "is_simulated", "marker", "place", "refused")

    def __init__(self, marker: Marker, baggage: Baggage | None = None) -> None:
        self.marker: Final = marker
        self.is_simulated: bool = True
        """True until the work ends. Then the verdict is spent: nobody can tell whose work its holder does."""
        self.baggage: Baggage = [] if baggage is None else baggage
        """Verdicts with one token share it."""
        self.refused: str | None = None
        """The last effect of this work that was refused. A framework may answer it with a server error."""
        self.place: Place | None = None
        """The room that the work takes in a service that sheds; None if it takes none, or needs it no more."""
        self._parts: list[None] = []

    def begin(self) -> None:
        """Note that a part of the work begins: the call of the handler, or the stream of its response."""
        self._parts.append(None)

    def end(self) -> None:
        """Note that a part of the work has ended. The verdict is spent with the last part, for good."""
        # A list as the counter: its append and pop need no lock.
        self._parts.pop()
        if not self._parts:
            self.is_simulated = False
            self.give_place_back()

    def spend(self) -> None:
        """Spend the verdict now, whatever of the work still goes on: all that it would do is refused."""
        self.is_simulated = False
        self.give_place_back()

    def give_place_back(self) -> None:
        """Take no room any more: the work has ended, or its response has started."""
        if self.place is not None:
            self.place.give_back()
            self.place = None

    def for_work(self) -> Simulated:
        """Return a verdict with the same marker and token for another piece of work."""
        raise NotImplementedError

    def token(self) -> str:
        """Return the token to send with calls of this work."""
        raise NotImplementedError

    def __reduce__(self) -> tuple[object, ...]:
        # Another process gets the token, but cannot sign a new one.
        return Received, (self.marker, self.token())

    def __repr__(self) -> str:
        return f"<simulated {self.marker}>"


class Received(Simulated):
    """The verdict on simulated work that was received. Its token is sent on unchanged, even after it has expired."""

    __slots__ = ("_token",)

    def __init__(self, marker: Marker, token: str, baggage: Baggage | None = None) -> None:
        # As in Simulated: each simulated request and message makes one of these.
        self.marker = marker  # type: ignore[misc]
        self.is_simulated: bool = True
        self.baggage: Baggage = [] if baggage is None else baggage
        self.refused: str | None = None
        self.place: Place | None = None
        self._parts: list[None] = []
        self._token = token

    def for_work(self) -> Received:
        """Return a verdict with the same marker and token for another piece of work."""
        return Received(self.marker, self._token, self.baggage)

    def token(self) -> str:
        """Return the token as it was received."""
        return self._token


class Unverified:
    """The verdict on work whose marker does not verify: it is neither real nor simulated, and has no ``marker``."""

    __slots__ = ("reason",)
    is_simulated: ClassVar[bool] = False

    def __init__(self, reason: Reason) -> None:
        self.reason: Final[Reason] = reason

    def __repr__(self) -> str:
        return f"<unverified: {self.reason.value}>"


Verdict: TypeAlias = Real | Simulated | Unverified
"""What is known about a piece of work."""

REAL: Final = Real()
OUTLIVED: Final = Unverified(Reason.OUTLIVED)
"""The verdict on work that still goes on after the simulated work that started it has ended."""
