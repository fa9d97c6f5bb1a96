"""The claims: what an authentic token says, and whether it is valid here and now."""

from __future__ import annotations

from typing import Final

from synthetic._model.marker import Marker
from synthetic._model.reason import Reason
from synthetic._model.verdict import Baggage, Received

__all__ = ["LEEWAY", "Claims"]

LEEWAY: Final = 30
"""Seconds by which clocks may differ."""


class Claims:
    """The content of an authentic token. Times are in seconds since the epoch."""

    __slots__ = ("_baggage", "accepted_under", "environment", "expires_at", "issued_at", "issuer", "marker")

    def __init__(self, marker: Marker, *, issuer: str, environment: str, issued_at: float, expires_at: float) -> None:
        self.marker = marker
        self.issuer = issuer
        self.environment = environment
        self.issued_at = issued_at
        self.expires_at = expires_at
        self.accepted_under: object = None
        """The configuration that these claims have satisfied. Until they expire, only halting has to be checked."""
        self._baggage: Baggage = []

    def refusal(self, issuer: str, environment: str, now: float, retention: float = 0) -> Reason | None:
        """Return why the token is not valid here and now; None if it is.

        A token stays valid for ``retention`` seconds after its expiry, for work that was admitted in time.
        """
        if self.issuer != issuer:
            return Reason.WRONG_ISSUER
        if self.environment != environment:
            return Reason.WRONG_ENVIRONMENT
        if self.issued_at > now + LEEWAY:
            return Reason.NOT_YET_VALID
        if self.expires_at + LEEWAY + retention <= now:
            return Reason.EXPIRED
        return None

    def verdict(self, token: str) -> Received:
        """Return the verdict on a piece of work that carries ``token``, which has these claims."""
        return Received(self.marker, token, self._baggage)
