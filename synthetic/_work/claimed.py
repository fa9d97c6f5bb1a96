"""The verdict on a marker that this library's middleware did not admit: it counts if its token verifies.

A marker that arrives with a request or message is judged like at an entrance: a halted run does not count, at an edge
no expired token, and in a process that has not called ``instrument()`` no marker at all. Then the verdict stays, for it
must not expire in the middle of a request. A marker that was admitted elsewhere in the same work is good for the
retention time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from synthetic._config.configuration import Configuration
from synthetic._config.in_force import active
from synthetic._config.instrumented import INSTRUMENTED
from synthetic._model.reason import Reason
from synthetic._model.verdict import Received, Unverified
from synthetic._wire.baggage import TOO_LONG, Found, entry_of, find
from synthetic._wire.claims import Claims
from synthetic._wire.memory import Memory
from synthetic._wire.token import ENTRY_LIMIT, verify

__all__ = ["claimed_by", "claimed_by_token", "claims_in", "has_marker"]


def has_marker(headers: Sequence[str]) -> bool:
    """Whether ``baggage`` headers have a marker, good or bad."""
    return bool(headers) and not find(headers, active().key).is_empty


def claimed_by(headers: Sequence[str], *, arrives: Callable[[], bool] | None = None) -> Received | Unverified | None:
    """Return the verdict that ``baggage`` headers claim; None if they have no marker.

    ``arrives`` is given for headers that arrive here, and tells whether they are those of a message. Without it, they
    were admitted elsewhere.
    """
    config = active()
    found = find(headers, config.key)
    if found.is_empty:
        return None
    claims = claims_in(found, config)
    if isinstance(claims, Claims):
        at_edge = None if arrives is None else config.edge and not arrives()
        claims = _in_time(claims, config, at_edge)
    return Unverified(claims) if isinstance(claims, Reason) else claims.verdict(found.values[0])


_arrived: Final = Memory[int, tuple[object, Configuration, Claims]](1024)
"""The baggage values that counted when they were first seen, by identity. OpenTelemetry makes one for each request, and
keeps it in every context of that request."""


def claimed_by_token(value: object, config: Configuration) -> Received | Unverified:
    """Return the verdict that a baggage entry claims, from its value as OpenTelemetry parsed it.

    Nothing tells how it arrived, so the setting ``edge`` decides.
    """
    token = str(value).partition(";")[0].strip()
    known = _arrived.get(id(value))
    if known is not None and known[0] is value and known[1] is config:
        return known[2].verdict(token)
    keys = config.keys.current()
    claims = Reason.NO_KEYS if keys is None else verify(keys, token)
    if isinstance(claims, Claims):
        claims = _in_time(claims, config, config.edge)
    if isinstance(claims, Reason):
        return Unverified(claims)
    _arrived.remember(id(value), (value, config, claims))
    return claims.verdict(token)


def _in_time(claims: Claims, config: Configuration, arrives_at_edge: bool | None) -> Claims | Reason:
    """Return the claims if they are good here and now, else the reason why they are not."""
    retention = 0 if arrives_at_edge else config.retention
    refusal = claims.refusal(config.issuer, config.environment, config.clock(), retention)
    if refusal is None and arrives_at_edge is not None and config.is_halted(claims.marker.run):
        refusal = Reason.HALTED
    if refusal is None and arrives_at_edge is not None and not INSTRUMENTED and config.uninstrumented == "refuse":
        refusal = Reason.NOT_INSTRUMENTED
    return refusal or claims


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
