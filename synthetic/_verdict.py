"""The verdict on the work at hand: real, simulated, or not to be told (PROTOCOL, "The verdict inside a process").

It is kept in a context variable of ours and mirrored in the OpenTelemetry context under a private key: others replace
the one (server instrumentation) or carry only the other (thread instrumentation). Baggage is the wire format and is
asked last.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final, NamedTuple, Protocol

from opentelemetry import baggage, context

from synthetic._config import Configuration, active
from synthetic._marker import Marker
from synthetic._reason import Reason
from synthetic._token import authenticate
from synthetic.errors import UnverifiedMarker

__all__ = [
    "REAL",
    "VERDICT",
    "Real",
    "Received",
    "Simulated",
    "Unverified",
    "Verdict",
    "current",
    "current_verdict",
    "enter",
    "enter_real",
    "is_synthetic",
    "leave",
    "marked",
    "unmarked",
]


class Verdict(Protocol):
    """What is known of some work. ``marker`` is None for real work and raises where nobody can tell."""

    @property
    def marker(self) -> Marker | None: ...


class Real:
    """Work that carries no marker."""

    __slots__ = ()
    marker: Final[None] = None

    def __repr__(self) -> str:
        return "<real>"


class Simulated:
    """Work that carries ``marker``. ``token()`` is what goes on the wire, or None where nothing can be sent."""

    __slots__ = ("marker",)

    def __init__(self, marker: Marker) -> None:
        self.marker: Final = marker

    def token(self) -> str:
        """Return the token to send with calls of this work."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<simulated {self.marker}>"


class Received(Simulated):
    """Simulated work that came in: its token is sent on as it came, whatever the time."""

    __slots__ = ("_token",)

    def __init__(self, marker: Marker, token: str) -> None:
        super().__init__(marker)
        self._token = token

    def token(self) -> str:
        """Return the token as it was received."""
        return self._token


class Unverified:
    """Work whose marker does not verify: asking for the marker raises."""

    __slots__ = ("reason",)

    def __init__(self, reason: Reason) -> None:
        self.reason = reason

    @property
    def marker(self) -> Marker | None:
        raise UnverifiedMarker(self.reason)

    def __repr__(self) -> str:
        return f"<unverified: {self.reason.value}>"


REAL: Final = Real()
VERDICT: ContextVar[Verdict | None] = ContextVar("synthetic-verdict", default=None)
MIRROR: Final = context.create_key("synthetic-verdict")

_get_verdict = VERDICT.get


def is_synthetic() -> bool:
    """Return True for simulated work, False for real work and where nothing was ever decided.

    Raises UnverifiedMarker where the work carries a marker that cannot be verified.
    """
    verdict = _get_verdict()
    if verdict is REAL:
        return False
    return (verdict or _from_opentelemetry() or REAL).marker is not None


def current() -> Marker | None:
    """Return the marker of the simulated work at hand; None for real work. Raises as ``is_synthetic`` does."""
    return (_get_verdict() or _from_opentelemetry() or REAL).marker


def current_verdict() -> Verdict | None:
    """Return the verdict on the work at hand; None where nothing was decided, which counts as real."""
    return _get_verdict() or _from_opentelemetry()


def _from_opentelemetry() -> Verdict | None:
    present = context.get_current()
    if not present:
        return None
    mirrored = present.get(MIRROR)
    if mirrored is not None:
        return mirrored  # type: ignore[return-value]  # only this module knows the key
    config = active()
    value = baggage.get_baggage(config.key, present)
    return None if value is None else _of_baggage(value, config)


def _of_baggage(value: object, config: Configuration) -> Verdict:
    keys = config.keys.current()
    if keys is None:
        return Unverified(Reason.NO_KEYS)
    token = str(value).partition(";")[0].strip()
    claims = authenticate(keys, token)
    if isinstance(claims, Reason):
        return Unverified(claims)
    refusal = claims.refusal(config.issuer, config.environment, config.clock(), config.retention)
    return Unverified(refusal) if refusal else Received(claims.marker, token)


class Entered(NamedTuple):
    """What ``leave`` needs."""

    verdict: Token[Verdict | None]
    otel: Token[context.Context] | None


def enter(verdict: Real | Simulated) -> Entered:
    """Put ``verdict`` in force; ``leave`` puts back what was before."""
    return enter_real() if isinstance(verdict, Real) else _enter_simulated(verdict)


def enter_real() -> Entered:
    """The same for REAL. The OpenTelemetry context is touched only if it holds something of ours."""
    present = context.get_current()
    return Entered(VERDICT.set(REAL), context.attach(unmarked(present)) if present and _holds_ours(present) else None)


def _enter_simulated(verdict: Simulated) -> Entered:
    present = context.set_value(MIRROR, verdict, context.get_current())
    return Entered(VERDICT.set(verdict), context.attach(marked(present, active().key, verdict.token())))


def leave(entered: Entered) -> None:
    """Put back what was in force before ``enter``.

    Called in another context than ``enter`` was (a generator finalised elsewhere), there is nothing to put back here.
    """
    try:
        VERDICT.reset(entered.verdict)
    except ValueError:
        return
    if entered.otel is not None:
        context.detach(entered.otel)


def marked(present: context.Context, key: str, token: str) -> context.Context:
    """Return ``present`` with the token in its baggage, first: what is last may be cut off on the wire."""
    others = {name: value for name, value in baggage.get_all(present).items() if name != key}
    if others:
        present = baggage.clear(present)
    present = baggage.set_baggage(key, token, present)
    for name, value in others.items():
        present = baggage.set_baggage(name, value, present)
    return present


def unmarked(present: context.Context) -> context.Context:
    """Return ``present`` without anything of ours."""
    return baggage.remove_baggage(active().key, context.set_value(MIRROR, None, present))


def _holds_ours(present: context.Context) -> bool:
    return present.get(MIRROR) is not None or baggage.get_baggage(active().key, present) is not None
