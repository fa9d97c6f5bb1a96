"""Why a marker was not admitted: the codes that responses, metrics, logs and errors carry."""

from __future__ import annotations

from enum import Enum

__all__ = ["Reason", "detail_of"]


class Reason(str, Enum):
    """Why a claim to be simulated was refused, or sent away for later. The values are part of the protocol."""

    MALFORMED = "malformed"
    """The entry is not a canonical token, or only an odd spelling or decoding makes it ours."""
    TOO_LONG = "too-long"
    """The entry is longer than 1 KiB."""
    AMBIGUOUS = "ambiguous"
    """Several entries of ours disagree."""
    NO_KEYS = "no-keys"
    """This service has no keys, so that it can verify nothing."""
    UNKNOWN_KEY = "unknown-key"
    """The token names a key that this service does not hold."""
    BAD_SIGNATURE = "bad-signature"
    """The signature is not that of the named key."""
    WRONG_TYPE = "wrong-type"
    """Signed, but not a marker (``typ``), or not with the key's own algorithm."""
    INVALID_CLAIMS = "invalid-claims"
    """Signed, but a claim is missing, of the wrong kind, or lives longer than 24 hours."""
    WRONG_ISSUER = "wrong-issuer"
    """Signed for another installation (``iss``)."""
    WRONG_ENVIRONMENT = "wrong-environment"
    """Signed for another environment (``aud``): a captured token replayed elsewhere."""
    NOT_YET_VALID = "not-yet-valid"
    """``iat`` lies in the future by more than the leeway: a clock is wrong."""
    EXPIRED = "expired"
    """The token was good and is over; for work that was admitted in time, over by more than the retention time."""
    HALTED = "halted"
    """Its run, or every run, is halted."""
    MISSING = "missing"
    """No marker, where everything must carry one (``on_missing="refuse"``)."""
    SHED = "shed"
    """Good, but the service has no room for simulated work now: later."""
    NOT_READY = "not-ready"
    """Good, but the service is not ready for simulated work yet: later."""

    @property
    def is_later(self) -> bool:
        """True where the same marker may be admitted later (HTTP 429); False where it is refused (HTTP 403)."""
        return self in (Reason.SHED, Reason.NOT_READY)

    __str__ = str.__str__


_DETAILS = {
    Reason.MISSING: "Everything here must carry a marker, and this {what} has none: something on the way dropped it.",
    Reason.NO_KEYS: "This {what} carries a simulation marker and this service has no keys to verify it with.",
    Reason.WRONG_ENVIRONMENT: "The simulation marker of this {what} is signed for another environment.",
    Reason.EXPIRED: "The simulation marker of this {what} has expired.",
    Reason.HALTED: "The simulation that this {what} belongs to is halted.",
    Reason.SHED: "This service has no room for simulated work now.",
    Reason.NOT_READY: "This service is not ready for simulated work yet.",
}
_UNVERIFIED = "The simulation marker of this {what} cannot be verified, so it is neither executed nor simulated."


def detail_of(reason: Reason, what: str = "request") -> str:
    """Return one sentence for whoever sent ``what`` was refused, and for the log of who refused it."""
    return _DETAILS.get(reason, _UNVERIFIED).format(what=what)
