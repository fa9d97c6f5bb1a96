"""The verdict on the work at hand: real, simulated, or not to be told (PROTOCOL, "The verdict inside a process").

It is kept in a context variable of ours and mirrored in the OpenTelemetry context under a private key: others replace
the one (server instrumentation) or carry only the other (thread instrumentation). Baggage is the wire format and is
asked last.
"""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

from opentelemetry import baggage, context

from synthetic._config import Configuration, active
from synthetic._marker import Marker
from synthetic._reason import Reason
from synthetic.errors import UnverifiedMarker

if TYPE_CHECKING:
    from synthetic._token import Claims

__all__ = [
    "BLOCKS",
    "MIRROR",
    "REAL",
    "VERDICT",
    "Block",
    "Entered",
    "Real",
    "Received",
    "Simulated",
    "Unverified",
    "Verdict",
    "abandon",
    "current",
    "current_verdict",
    "enter",
    "is_synthetic",
    "leave",
    "marked",
    "received",
    "unmarked",
    "verdict_in",
]


class Real:
    """Work that carries no marker."""

    __slots__ = ()
    marker: Final[None] = None

    def __reduce__(self) -> str:
        return "REAL"  # in another process, too, there is only one

    def __repr__(self) -> str:
        return "<real>"


class Simulated:
    """Work that carries ``marker``."""

    __slots__ = ("_alone", "_in_work", "ended_at", "marker")

    def __init__(self, marker: Marker) -> None:
        self.marker: Final = marker
        self._alone: tuple[str, str, context.Context] | None = None
        self._in_work: list[None] = []
        self.ended_at: float | None = None
        """When the last piece of work with this verdict ended (``time.monotonic``); None while there is one."""

    def begin(self) -> None:
        """Note that a piece of work with this verdict begins: a request, a message, a ``with`` block."""
        self._in_work.append(None)
        self.ended_at = None

    def end(self) -> None:
        """Note that it has ended. What still has the verdict a long time after that outlived its work."""
        # A list for a counter: its append and pop need no lock of ours.
        self._in_work.pop()
        if not self._in_work:
            self.ended_at = time.monotonic()
            if self._in_work:  # another thread began meanwhile
                self.ended_at = None

    def token(self) -> str:
        """Return the token to send with calls of this work."""
        raise NotImplementedError

    def alone(self, key: str) -> context.Context:
        """Return an OpenTelemetry context that holds this verdict and nothing else."""
        token = self.token()
        alone = self._alone
        if alone is None or alone[1] != token or alone[0] != key:
            self._alone = alone = (key, token, marked(context.Context(), self, key))
        return alone[2]

    def __reduce__(self) -> tuple[object, ...]:
        # To another process goes what was received, and not the right to sign.
        return Received, (self.marker, self.token())

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


def received(claims: Claims, token: str) -> Received:
    """Return the verdict on work that carries ``token``, which says ``claims``."""
    if claims.verdict is None:
        claims.verdict = Received(claims.marker, token)
    return claims.verdict


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


Verdict: TypeAlias = Real | Simulated | Unverified
"""What is known of some work. ``marker`` is None for real work and raises where nobody can tell."""

REAL: Final = Real()
VERDICT: ContextVar[Verdict | None] = ContextVar("synthetic-verdict", default=None)
MIRROR: Final = context.create_key("synthetic-verdict")

_get_verdict = VERDICT.get
_set_verdict = VERDICT.set
_reset_verdict = VERDICT.reset
_get_current = context.get_current


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
    return verdict_in(context.get_current())


def verdict_in(present: context.Context) -> Verdict | None:
    """Return the verdict that an OpenTelemetry context holds: our mirror of it, else what its baggage claims."""
    if not present:
        return None
    mirrored = present.get(MIRROR)
    if mirrored is not None:
        return cast("Verdict", mirrored)  # only this module knows the key
    config = active()
    value = baggage.get_baggage(config.key, present)
    return None if value is None else _of_baggage(value, config)


def _of_baggage(value: object, config: Configuration) -> Verdict:
    from synthetic._token import authenticate

    keys = config.keys.current()
    if keys is None:
        return Unverified(Reason.NO_KEYS)
    token = str(value).partition(";")[0].strip()
    claims = authenticate(keys, token)
    if isinstance(claims, Reason):
        return Unverified(claims)
    refusal = claims.refusal(config.issuer, config.environment, config.clock(), config.retention)
    return Unverified(refusal) if refusal else received(claims, token)


class Block(NamedTuple):
    """A ``with`` block that work is in (``_nesting``)."""

    block: object
    how: Entered
    work: list[Simulated]
    """The verdict that counts as work, until the block is left: in whichever copy of its context that is."""
    is_left: bool = False


BLOCKS: ContextVar[tuple[Block, ...]] = ContextVar("synthetic-blocks", default=())
"""The blocks that the work at hand is in. Not kept on the blocks, which threads and tasks may share."""

_get_blocks = BLOCKS.get

Entered = tuple["Token[Verdict | None]", "Token[context.Context] | None", Simulated | None, "tuple[Block, ...] | None"]
"""What ``leave`` needs: how to reset our context variable, and OpenTelemetry's if it was touched; whose work ends, and
the blocks that it was in."""


def enter(verdict: Verdict | None, *, is_work: bool = False, marks_span: bool = False) -> Entered:
    """Put ``verdict`` in force, or with None that nothing is decided; ``leave`` puts back what was before.

    For work that is not simulated the OpenTelemetry context is touched only if it holds something of ours. With
    ``is_work``, a piece of work with this verdict begins here and ends with ``leave``, and so does every block that is
    entered in between. With ``marks_span``, the span that is current, which began before the verdict was known, is told
    of it.
    """
    present = _get_current()
    blocks = _get_blocks() if is_work else None
    if verdict is REAL and not present:
        return _set_verdict(REAL), None, None, blocks  # nearly always
    if isinstance(verdict, Simulated):
        key = active().key
        work = verdict if is_work else None
        entered: Entered
        if present.get(MIRROR) is verdict and baggage.get_baggage(key, present) == verdict.token():
            entered = _set_verdict(verdict), None, work, blocks  # others have brought it here
        else:
            otel = marked(present, verdict, key) if present else verdict.alone(key)
            entered = _set_verdict(verdict), context.attach(otel), work, blocks
        if work is not None:
            work.begin()
        if present and marks_span:
            from synthetic.telemetry import mark_current_span

            mark_current_span()
        return entered
    if isinstance(verdict, Unverified):
        # Where others carry only the OpenTelemetry context, it must not look like work that carries no marker.
        marked_so = context.set_value(MIRROR, verdict, unmarked(present))
        return _set_verdict(verdict), context.attach(marked_so), None, blocks
    if present and _holds_ours(present):
        return _set_verdict(verdict), context.attach(unmarked(present)), None, blocks
    return _set_verdict(verdict), None, None, blocks


def leave(entered: Entered) -> bool:
    """Put back what was in force before ``enter``; return whether that was done.

    Called in another context than ``enter`` was (a generator finalised elsewhere), there is nothing to put back here.
    """
    verdict, otel, work, blocks = entered
    if work is not None:
        work.end()
    try:
        _reset_verdict(verdict)
    except ValueError:
        return False
    if blocks is not None and _get_blocks() is not blocks:
        abandon(blocks)
    if otel is not None:
        context.detach(otel)
    return True


def abandon(blocks: tuple[Block, ...]) -> None:
    """Forget what was entered since the work at hand was in these ``blocks`` only, and was not left when it ended.

    A generator was left suspended. It may be ended in the middle of other work, whose verdict it must not replace.
    """
    present = _get_blocks()
    if len(present) <= len(blocks):
        return
    for forgotten in reversed(present[len(blocks) :]):
        if forgotten.work:
            forgotten.work.pop().end()
        if forgotten.how[1] is not None:
            context.detach(forgotten.how[1])
    BLOCKS.set(blocks)


def marked(present: context.Context, verdict: Simulated, key: str) -> context.Context:
    """Return ``present`` with the verdict, and its token first in the baggage: what is last may be cut on the wire."""
    others = {name: value for name, value in baggage.get_all(present).items() if name != key}
    if others:
        present = baggage.clear(present)
    present = baggage.set_baggage(key, verdict.token(), context.set_value(MIRROR, verdict, present))
    for name, value in others.items():
        present = baggage.set_baggage(name, value, present)
    return present


def unmarked(present: context.Context) -> context.Context:
    """Return ``present`` without anything of ours."""
    return baggage.remove_baggage(active().key, context.set_value(MIRROR, None, present))


def _holds_ours(present: context.Context) -> bool:
    return present.get(MIRROR) is not None or baggage.get_baggage(active().key, present) is not None
