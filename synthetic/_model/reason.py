"""Why a marker was not admitted: the codes that responses, metrics, logs and errors carry."""

from __future__ import annotations

from enum import Enum

__all__ = ["Reason", "detail_of"]


class Reason(str, Enum):
    """Why a marker was refused, for good or until later. The values are part of the protocol (docs/protocol.md)."""

    MALFORMED = "malformed"
    """The entry is not a canonical token, or only an unusual spelling or decoding makes it the marker's entry."""
    TOO_LONG = "too-long"
    """The entry is longer than 1 KiB, or the headers are together longer than 64 KiB and were not searched."""
    AMBIGUOUS = "ambiguous"
    """The headers hold several entries with different tokens."""
    NO_KEYS = "no-keys"
    """This service has no keys, so it cannot verify any token."""
    UNKNOWN_KEY = "unknown-key"
    """The token names a key that this service does not hold."""
    BAD_SIGNATURE = "bad-signature"
    """The key that the token names did not make its signature."""
    WRONG_TYPE = "wrong-type"
    """The token is not a marker (``typ``), or does not use its key's algorithm (``alg``)."""
    INVALID_CLAIMS = "invalid-claims"
    """The token is signed, but a claim is missing or has the wrong type, or the lifetime is over 24 hours."""
    WRONG_ISSUER = "wrong-issuer"
    """The token is signed for another installation (``iss``)."""
    WRONG_ENVIRONMENT = "wrong-environment"
    """The token is signed for another environment (``aud``); it may be a captured token that is replayed."""
    NOT_YET_VALID = "not-yet-valid"
    """The token was issued in the future (``iat``), by more than the leeway: a clock is wrong."""
    EXPIRED = "expired"
    """The token has expired. For work that was admitted in time, the retention time is over too."""
    HALTED = "halted"
    """The marker's run, or every run, is halted."""
    MISSING = "missing"
    """There is no marker, but everything here must carry one (``on_missing="refuse"``)."""
    NOT_INSTRUMENTED = "not-instrumented"
    """The token is good, but nothing here would carry it on: ``synthetic.instrument()`` was not called."""
    OUTLIVED = "outlived"
    """The simulated work that started this has ended, so nobody can tell whose work it does now."""
    SHED = "shed"
    """The token is good, but the service has no room for simulated work now: later."""
    NOT_READY = "not-ready"
    """The token is good, but the service is not ready for simulated work yet: later."""

    @property
    def is_later(self) -> bool:
        """True if the same marker may be admitted later (HTTP 429); False if it is refused for good (HTTP 403)."""
        return self in (Reason.SHED, Reason.NOT_READY)

    __str__ = str.__str__


_DETAILS = {
    Reason.MISSING: "This {what} has no marker, and everything here must carry one: something on the way dropped it.",
    Reason.NO_KEYS: "This {what} carries a simulation marker, but this service has no keys to verify it.",
    Reason.WRONG_ENVIRONMENT: "The simulation marker of this {what} is signed for another environment.",
    Reason.EXPIRED: "The simulation marker of this {what} has expired.",
    Reason.HALTED: "The simulation that this {what} belongs to is halted.",
    Reason.NOT_INSTRUMENTED: "This service has not called synthetic.instrument(), so its calls would carry no marker.",
    Reason.OUTLIVED: "A part of this {what} was started by simulated work that has ended; nothing tells whose it is.",
    Reason.SHED: "This service has no room for simulated work now.",
    Reason.NOT_READY: "This service is not ready for simulated work yet.",
}
_UNVERIFIED = "The simulation marker of this {what} cannot be verified, so the {what} was not executed."


def detail_of(reason: Reason, what: str = "request") -> str:
    """Return one sentence on the reason, for the sender of the refused ``what`` and for the log of this service."""
    return _DETAILS.get(reason, _UNVERIFIED).format(what=what)
