"""The verdict on a marker that was admitted elsewhere: it counts if its token verifies.

An expired token is accepted for the retention time. Halted runs and load shedding are not checked.
"""

from __future__ import annotations

from collections.abc import Sequence

from synthetic._config.configuration import Configuration
from synthetic._config.in_force import active
from synthetic._model.reason import Reason
from synthetic._model.verdict import Received, Unverified
from synthetic._wire.baggage import TOO_LONG, Found, entry_of, find
from synthetic._wire.claims import Claims
from synthetic._wire.token import ENTRY_LIMIT, verify

__all__ = ["claimed_by", "claimed_by_token", "claims_in", "has_marker"]


def has_marker(headers: Sequence[str]) -> bool:
    """Whether ``baggage`` headers have a marker, good or bad."""
    return bool(headers) and not find(headers, active().key).is_empty


def claimed_by(headers: Sequence[str]) -> Received | Unverified | None:
    """Return the verdict that ``baggage`` headers claim; None if they have no marker."""
    config = active()
    found = find(headers, config.key)
    if found.is_empty:
        return None
    return _verdict(claims_in(found, config), found.values[0] if found.values else "", config)


def claimed_by_token(value: str, config: Configuration) -> Received | Unverified:
    """Return the verdict that a baggage entry claims, from its value as OpenTelemetry parsed it."""
    keys = config.keys.current()
    token = value.partition(";")[0].strip()
    return _verdict(Reason.NO_KEYS if keys is None else verify(keys, token), token, config)


def _verdict(claims: Claims | Reason, token: str, config: Configuration) -> Received | Unverified:
    if isinstance(claims, Reason):
        return Unverified(claims)
    refusal = claims.refusal(config.issuer, config.environment, config.clock(), config.retention)
    return Unverified(refusal) if refusal else claims.verdict(token)


def claims_in(found: Found, config: Configuration) -> Claims | Reason:
    """Return the claims of the only entry found if its token is authentic, else the reason. Times are not checked."""
    if found is TOO_LONG:
        return Reason.TOO_LONG
    keys = config.keys.current()
    if keys is None:
        return Reason.NO_KEYS
    if found.odd:
        return Reason.MALFORMED
    token, *others = found.values
    if others:
        return Reason.AMBIGUOUS
    if len(entry_of(config.key, token)) > ENTRY_LIMIT:
        return Reason.TOO_LONG
    return verify(keys, token)
