"""The admission decision: a request or a message is admitted or refused (docs/protocol.md, "Admission")."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Final, NamedTuple, TypeAlias, cast

from synthetic import ledger
from synthetic._admission.readiness import not_now
from synthetic._admission.shedding import PATIENCE, SHARED, go_to_the_back, take_place, waits_elsewhere
from synthetic._config.configuration import Configuration
from synthetic._config.instrumented import INSTRUMENTED
from synthetic._model.marker import Marker
from synthetic._model.reason import Reason, detail_of
from synthetic._model.throttled import ThrottledLog
from synthetic._model.verdict import REAL, Real, Received
from synthetic._wire.baggage import NOTHING, Found, entry_of, find, first_token, forward, forward_joined
from synthetic._wire.claims import Claims
from synthetic._wire.token import ENTRY_LIMIT, names_us, verify
from synthetic._work.claimed import claims_in
from synthetic._work.state import current_verdict

__all__ = ["AS_REAL", "Admitted", "Decision", "Refused", "Terms", "decide", "take_turn"]

_log = logging.getLogger("synthetic")


class Admitted(NamedTuple):
    """The work is admitted under ``verdict``.

    ``onward`` are the ``baggage`` header values that the application gets instead of the received ones; None leaves
    those unchanged.
    """

    verdict: Real | Received
    onward: Sequence[str] | None = None

    def __repr__(self) -> str:
        return f"<admitted as {self.verdict!r}>"  # without onward, which may hold a token

    def onward_joined(self) -> str:
        """Return ``onward`` as one header value, for a carrier with one header per name; empty if nothing is left."""
        return forward_joined(self.onward or (), is_simulated=self.verdict is not REAL)


class Refused(NamedTuple):
    """The work is not admitted, for ``reason``. ``reason.is_later`` tells whether it may come again."""

    reason: Reason


Decision: TypeAlias = Admitted | Refused

AS_REAL: Final = Admitted(REAL)
"""Work that carries no marker is real."""


class Terms(NamedTuple):
    """The settings of one entrance: see ``Entrance``. ``retention`` is in seconds."""

    strips: bool
    must_be_marked: bool
    retention: float
    has_places: bool
    is_on_loop: bool


def decide(headers: Sequence[str], terms: Terms, config: Configuration) -> Decision:
    """Decide on a carrier whose ``baggage`` headers have these values (text in latin-1, one character per byte)."""
    key = config.key
    if len(headers) == 1 and headers[0].startswith(key):
        token = first_token(headers[0], key)
        known = None if token is None else _authentic(token, config)
        if token is not None and known is not None:
            return _on_marked(token, known, None, terms, config)
    found = find(headers, key)
    if found is NOTHING:
        return _refuse(Reason.MISSING, None, config) if terms.must_be_marked else AS_REAL
    claims = claims_in(found, config)
    if isinstance(claims, Claims):
        (token,) = found.values
        return _on_marked(token, claims, forward(found.foreign, entry_of(config.key, token)), terms, config)
    if not (terms.strips and claims is not Reason.NO_KEYS and _is_strangers(found, config)):
        return _refuse(claims, None, config)
    if terms.must_be_marked:
        return _refuse(Reason.MISSING, None, config)
    return Admitted(REAL, found.foreign)


def _is_strangers(found: Found, config: Configuration) -> bool:
    """Whether no entry names this library, and every entry can be removed."""
    return found.is_clean and not names_us(" ".join((*found.values, *found.odd)), config.issuer)


def _authentic(token: str, config: Configuration) -> Claims | None:
    """Return the claims of the first entry if it is an authentic token, which is always canonical; else None."""
    keys = config.keys.current()
    if keys is None or len(token) + len(config.key) >= ENTRY_LIMIT:
        return None
    known = keys.verified.get(token)
    if known is not None:
        return known
    claims = verify(keys, token)
    return claims if isinstance(claims, Claims) else None


def _on_marked(
    token: str, claims: Claims, onward: Sequence[str] | None, terms: Terms, config: Configuration
) -> Decision:
    refusal = _refusal(claims, terms, config)
    if refusal is not None:
        return _refuse(refusal, claims.marker, config)
    verdict = claims.verdict(token)
    if config.shed == "auto" and terms.has_places and _is_under_way(token):
        verdict.place = SHARED
    elif config.shed == "auto" and terms.has_places:
        patience = PATIENCE if terms.is_on_loop or waits_elsewhere() else inf
        verdict.place = take_place(config.shed_limit, patience=patience)
        if verdict.place is None:
            return _refuse(Reason.SHED, claims.marker, config)
        if terms.is_on_loop:
            return Admitted(verdict, onward)  # it has to take its turn first
    ledger.record_admission(claims.marker, config.service)
    return _new_tuple(Admitted, (verdict, onward))


def _refusal(claims: Claims, terms: Terms, config: Configuration) -> Reason | None:
    """Return why work with these claims, which are authentic, is not admitted here and now."""
    now = _time(config)
    if now is None:
        return Reason.NOT_READY
    if claims.accepted_under is not config or not claims.issued_at <= now < claims.expires_at:
        retention = terms.retention if now >= claims.expires_at else 0
        refusal = claims.refusal(config.issuer, config.environment, now, retention)
        if refusal is not None:
            return refusal
    claims.accepted_under = config
    if (config.halt or config.halt_file) and config.is_halted(claims.marker.run):
        return Reason.HALTED
    if not INSTRUMENTED and config.uninstrumented == "refuse":
        return Reason.NOT_INSTRUMENTED
    return not_now(config) if config.ready or config.shed else None


def _is_under_way(token: str) -> bool:
    """Whether this is a part of work that has a place already: of a request that passes two of our middlewares.

    The token alone does not tell. OpenTelemetry's middleware around ours has put it into the context, and other
    requests of the same actor have the same.
    """
    present = current_verdict()
    return isinstance(present, Received) and present.place is not None and present.token() == token


async def take_turn(admitted: Admitted, config: Configuration) -> Decision:
    """Let the event loop do everything else first. Return ``admitted`` if it had time, and Refused if it is busy."""
    marker = cast("Marker", admitted.verdict.marker)
    try:
        had_time = await go_to_the_back()
    except BaseException:
        admitted.verdict.give_place_back()
        raise
    if had_time:
        ledger.record_admission(marker, config.service)
        return admitted
    admitted.verdict.give_place_back()
    return _refuse(Reason.SHED, marker, config)


def _time(config: Configuration) -> float | None:
    try:
        return config.clock()
    except Exception as error:  # the application's own function, as in readiness
        _refusals.log(
            logging.ERROR,
            "clock",
            f"{config.clock!r} failed, so simulated work is refused until it works again: {error!r}",
        )
        return None


# Admitted(...) takes 300 ns longer: a named tuple is made by a function in Python.
_new_tuple: Callable[[Any, Any], Admitted] = cast("Any", tuple).__new__


def _refuse(reason: Reason, marker: Marker | None, config: Configuration) -> Refused:
    ledger.record_refusal(reason, marker, config.service)
    whose = f" Its run is {marker.run!r}." if marker else ""
    _refusals.warn(reason.value, f"refused: {reason.value}. {detail_of(reason, 'work')}{whose}")
    return Refused(reason)


_refusals = ThrottledLog()
