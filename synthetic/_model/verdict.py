"""The verdict on a piece of work: real, simulated, or unverified.

Verdicts are pickled into jobs for other processes. The path of this module is part of that format, and must not change.
"""

from __future__ import annotations

import time
from typing import ClassVar, Final, TypeAlias

from synthetic._model.marker import Marker
from synthetic._model.reason import Reason

__all__ = ["REAL", "Real", "Received", "Simulated", "Unverified", "Verdict"]


class Real:
    """The verdict on work that carries no marker."""

    __slots__ = ()
    is_simulated: ClassVar[bool] = False
    marker: Final[None] = None

    def __reduce__(self) -> str:
        return "REAL"  # in another process, too, there is only one

    def __repr__(self) -> str:
        return "<real>"


class Simulated:
    """The verdict on work that carries ``marker``."""

    __slots__ = ("_in_work", "alone", "ended_at", "marker")
    is_simulated: ClassVar[bool] = True

    def __init__(self, marker: Marker) -> None:
        self.marker: Final = marker
        self._in_work: list[None] = []
        self.alone: tuple[str, str, object] | None = None
        """Keeps the OpenTelemetry context that holds this verdict and nothing else."""
        self.ended_at: float | None = None
        """When the last piece of work with this verdict ended (``time.monotonic``); None while any goes on."""

    def begin(self) -> None:
        """Note that a piece of work with this verdict begins: a request, a message, a ``with`` block."""
        self._in_work.append(None)
        self.ended_at = None

    def end(self) -> None:
        """Note that a piece of work with this verdict has ended. Using the verdict long after that is reported."""
        # A list as the counter: its append and pop need no lock.
        self._in_work.pop()
        if not self._in_work:
            self.ended_at = time.monotonic()
            if self._in_work:  # another thread began meanwhile
                self.ended_at = None

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

    def __init__(self, marker: Marker, token: str) -> None:
        super().__init__(marker)
        self._token = token

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
