"""Admission: real, simulated, refused or later. Every entry point asks here (PROTOCOL, "Admission")."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from typing import Final

from synthetic import _config, ledger
from synthetic._baggage import Found, entry_of, find, first_token, forward
from synthetic._config import Configuration, OnMissing, OnUnverified
from synthetic._marker import Marker
from synthetic._reason import Reason, detail_of
from synthetic._throttled import ThrottledLog
from synthetic._token import ENTRY_LIMIT, Claims, authenticate, names_us
from synthetic._verdict import REAL, Real, Received, Unverified, received
from synthetic.errors import ConfigurationError

__all__ = ["ADMITTED_AS_REAL", "Admission", "Entrance", "admit", "check_entrances", "judged"]

_log = logging.getLogger("synthetic")


Admission = tuple[Real | Received | None, Reason | None, Sequence[str] | None]
"""The decision on one carrier: the verdict, why there is none, and what to hand on.

The verdict is None where the work must not be done; then the reason says why. What to hand on are the ``baggage``
header values for the application in place of those that came, or None to leave them.
"""

ADMITTED_AS_REAL: Final[Admission] = (REAL, None, None)


class Entrance:
    """One way in: the settings of one application, each else the configuration's."""

    def __init__(
        self,
        *,
        edge: bool | None = None,
        on_unverified: OnUnverified | None = None,
        on_missing: OnMissing | None = None,
    ) -> None:
        _check_choice("on_unverified", on_unverified, ("refuse", "strip"))
        _check_choice("on_missing", on_missing, ("real", "refuse"))
        self.edge = edge
        self.on_unverified = on_unverified
        self.on_missing = on_missing
        if not _config.is_declared:
            _unchecked.add(self)

    def open(self) -> None:
        """Raise ConfigurationError for a wrong variable or file, or settings that this entrance cannot work with.

        At start-up: where the application is built, or in its lifespan where a framework builds it only then.
        """
        config = _config.active()
        if _config.is_declared:
            self.check(config)

    def check(self, config: Configuration) -> None:
        """Raise ConfigurationError where this entrance cannot work with ``config``."""
        _check_stripping(self.strips(config), config)

    def strips(self, config: Configuration) -> bool:
        """Whether what is not even a token of ours is removed, and the request real."""
        return (self.on_unverified or config.on_unverified) == "strip"

    def must_be_marked(self, config: Configuration) -> bool:
        """Whether work without a marker is refused."""
        return (self.on_missing or config.on_missing) == "refuse"

    def retention(self, config: Configuration) -> float:
        """For how many seconds after its expiry a token is good here."""
        return 0 if (config.edge if self.edge is None else self.edge) else config.retention


_unchecked: weakref.WeakSet[Entrance] = weakref.WeakSet()
"""Entrances built before ``configure`` was called, which looks at them."""


def check_entrances(config: Configuration) -> None:
    """Raise ConfigurationError where the settings, or an application that was built before them, cannot work."""
    waiting = list(_unchecked)
    _unchecked.clear()
    _check_stripping(config.on_unverified == "strip", config)
    for entrance in waiting:
        entrance.check(config)


def _check_stripping(strips: bool, config: Configuration) -> None:
    if strips and config.keys.current() is None:
        raise ConfigurationError(
            "on_unverified='strip' needs keys: without them a good marker cannot be told from a bad one. Set keys "
            "(or SYNTHETIC_KEYS), or on_unverified='refuse'.",
            setting="on_unverified",
        )


def admit(headers: Sequence[str], entrance: Entrance, config: Configuration) -> Admission:
    """Decide on a carrier whose ``baggage`` headers have these values (text in latin-1, one character a byte)."""
    token = first_token(headers, config.key)
    if token is not None:
        known = _authentic(token, config)
        if known is not None:
            return _admit_marked(token, known, None, entrance, config)
    found = find(headers, config.key)
    if found.is_empty:
        return _refuse(Reason.MISSING, None, config) if entrance.must_be_marked(config) else ADMITTED_AS_REAL
    claims = _claims_of(found, config)
    if isinstance(claims, Claims):
        (token,) = found.values
        return _admit_marked(token, claims, forward(found.foreign, entry_of(config.key, token)), entrance, config)
    if not (entrance.strips(config) and claims is not Reason.NO_KEYS and _is_strangers(found, config)):
        return _refuse(claims, None, config)
    if entrance.must_be_marked(config):
        return _refuse(Reason.MISSING, None, config)
    return REAL, None, found.foreign


def judged(headers: Sequence[str], config: Configuration) -> Received | Unverified | None:
    """Return what ``baggage`` headers say where nobody admits them: None for nothing of ours.

    As for what was admitted elsewhere: an expired token is good for the retention time, and nothing is halted or shed.
    """
    found = find(headers, config.key)
    if found.is_empty:
        return None
    claims = _claims_of(found, config)
    if not isinstance(claims, Claims):
        return Unverified(claims)
    refusal = claims.refusal(config.issuer, config.environment, config.clock(), config.retention)
    return Unverified(refusal) if refusal else received(claims, found.values[0])


def _claims_of(found: Found, config: Configuration) -> Claims | Reason:
    """What our one entry authentically says, at whatever time and place; else why it says nothing."""
    keys = config.keys.current()
    if keys is None:
        return Reason.NO_KEYS
    if found.odd or not found.is_clean:
        return Reason.MALFORMED
    token, *others = found.values
    if others:
        return Reason.AMBIGUOUS
    if len(entry_of(config.key, token)) > ENTRY_LIMIT:
        return Reason.TOO_LONG
    return authenticate(keys, token)


def _is_strangers(found: Found, config: Configuration) -> bool:
    """Whether nothing of what was found names us, and all of it can be taken out."""
    return found.is_clean and not any(names_us(value, config.issuer) for value in (*found.values, *found.odd))


def _authentic(token: str, config: Configuration) -> Claims | None:
    """What the value of our first entry says, if it is a token of ours: then there is nothing odd about the entry."""
    keys = config.keys.current()
    if keys is None or len(token) + len(config.key) >= ENTRY_LIMIT:
        return None
    claims = keys.verified.get(token) or authenticate(keys, token)
    return claims if isinstance(claims, Claims) else None


def _admit_marked(
    token: str, claims: Claims, onward: Sequence[str] | None, entrance: Entrance, config: Configuration
) -> Admission:
    try:
        now = config.clock()
    except Exception as error:  # the user's own code, as in _asked
        _log.error("%r failed; simulated requests are sent away for later: %r", config.clock, error)
        return _refuse(Reason.NOT_READY, claims.marker, config)
    retention = entrance.retention(config) if now >= claims.expires_at else 0
    refusal = claims.refusal(config.issuer, config.environment, now, retention)
    if refusal is None and (config.halt or config.halt_file) and config.is_halted(claims.marker.run):
        refusal = Reason.HALTED
    if refusal is None and (config.ready or config.shed):
        refusal = _later(config)
    if refusal is not None:
        return _refuse(refusal, claims.marker, config)
    if not _has_looked:
        _look_for_the_way_out()
    return received(claims, token), None, onward


_has_looked = False


def _look_for_the_way_out() -> None:
    """Tell once where simulated work is admitted and nothing would carry it on: nobody would notice."""
    global _has_looked
    from synthetic._instrument import instrumented

    _has_looked = True
    if not instrumented():
        _log.warning(
            "simulated work was admitted, and synthetic.instrument() was not called in this process: what it calls, "
            "sends and starts in threads carries no marker, and is executed as real"
        )


def _later(config: Configuration) -> Reason | None:
    if config.ready is not None and not _asked(config.ready, default=False):
        return Reason.NOT_READY
    if config.shed is not None and _asked(config.shed, default=True):
        return Reason.SHED
    return None


def _asked(question: Callable[[], bool], *, default: bool) -> bool:
    try:
        return bool(question())
    except Exception as error:  # the user's own code: nothing of it may reach the request
        _log.error("%r failed; simulated requests are sent away for later: %r", question, error)
        return default


def _refuse(reason: Reason, marker: Marker | None, config: Configuration) -> Admission:
    ledger.record_refusal(reason, marker, config.service)
    whose = f" Its run is {marker.run!r}." if marker else ""
    _refusals.warn(reason.value, f"refused: {reason.value}. {detail_of(reason, 'work')}{whose}")
    return None, reason, None


def _check_choice(name: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise ConfigurationError(f"{name}={value!r} is not one of: {', '.join(allowed)}", setting=name)


_refusals = ThrottledLog()
