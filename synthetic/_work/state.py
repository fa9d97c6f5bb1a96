"""The verdict in force: real, simulated or unverified; None if nothing was decided.

It is kept in a context variable and mirrored in the OpenTelemetry context, because each gets lost where the other does
not: server instrumentation replaces the OpenTelemetry context, and thread instrumentation carries only that.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, Token
from functools import partial
from threading import get_ident
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from opentelemetry import baggage, context

from synthetic._config.in_force import active
from synthetic._model.marker import Marker
from synthetic._model.reason import Reason
from synthetic._model.verdict import OUTLIVED, REAL, Real, Simulated, Unverified, Verdict
from synthetic._work.attributes import mark_span
from synthetic._work.generators import watch
from synthetic._work.mirror import MIRROR, alone, is_mirrored, marked, marked_unverified, unmarked, verdict_in
from synthetic.errors import UnverifiedMarker

__all__ = [
    "BLOCKS",
    "VERDICT",
    "Block",
    "Entered",
    "InHand",
    "abandon",
    "current",
    "current_verdict",
    "enter",
    "here",
    "is_synthetic",
    "leave",
    "marked_verdict",
    "marker_of",
    "settle",
    "watch_generators",
    "without_verdict",
]

P = ParamSpec("P")
R = TypeVar("R")


class InHand:
    """What a worker has taken from a queue of jobs (``carry_queue``), or will take; it takes the place of a verdict.

    The worker's own context need not be the one in which the job is taken: ``asyncio.wait_for`` does that in a task of
    its own. So the hand that asks changes when the job is taken. Other tasks may hold that hand too: those that began
    before the job was taken, and those that began after. Only a settled hand, which no longer changes, is theirs.
    """

    __slots__ = ("before", "child_of", "getting", "is_alone", "is_settled", "is_taken", "owner", "verdict")
    is_simulated: Final = False

    def __init__(
        self, owner: object, verdict: Verdict | None, child_of: Verdict | None, *, is_settled: bool = False
    ) -> None:
        self.owner: Final = owner
        """The thread or task that takes the job."""
        self.child_of: Final = child_of
        """The verdict on work that goes on and has started the owner; None without such work."""
        self.before: Final = verdict
        """The verdict on what was in hand before."""
        self.verdict: Verdict | None = verdict
        """The verdict on the job; until it is taken, that from before. None if nothing was decided."""
        self.is_taken: bool = is_settled
        self.is_settled: Final = is_settled
        self.getting: list[weakref.ref[Any]] = []
        """The coroutines that may still take a job into this hand."""
        self.is_alone: bool = True
        """Whether one coroutine only takes jobs into this hand."""

    def is_open(self) -> bool:
        """Whether a coroutine may still take a job into this hand."""
        return any(getattr(getting(), "cr_frame", None) is not None for getting in self.getting)

    def read(self) -> Verdict | None:
        """Return the verdict for whoever holds this hand."""
        if self.is_settled or not self.is_taken:
            return self.verdict
        if self.owner == here():
            if not self.is_open():
                settle(self, self.verdict)
            return self.verdict
        return self.verdict if self.verdict is self.before else OUTLIVED


VERDICT: ContextVar[Verdict | InHand | None] = ContextVar("synthetic-verdict", default=None)

_get_verdict = VERDICT.get
_set_verdict = VERDICT.set
_reset_verdict = VERDICT.reset
_get_current = context.get_current
_get_hooks = sys.get_asyncgen_hooks


def is_synthetic() -> bool:
    """Return True for simulated work; False for real work, and if nothing was decided.

    Raises UnverifiedMarker if the work carries a marker that cannot be verified, or has outlived the simulated work
    that started it.
    """
    verdict = _get_verdict()
    if verdict is REAL:
        return False
    if verdict is None:
        verdict = verdict_in(_get_current())
        if verdict is None:
            return False
    return verdict.is_simulated or marker_of(current_verdict()) is not None


def current() -> Marker | None:
    """Return the marker of the simulated work that this code is part of; None for real work.

    Raises UnverifiedMarker if the work carries a marker that cannot be verified, or has outlived the simulated work
    that started it.
    """
    return marker_of(current_verdict())


def current_verdict() -> Verdict | None:
    """Return the verdict in force; None if nothing was decided, which counts as real.

    The verdict on simulated work that has ended is ``OUTLIVED``.
    """
    verdict = _get_verdict()
    if isinstance(verdict, InHand):
        verdict = verdict.read()
    elif verdict is None:
        verdict = verdict_in(_get_current())
    return OUTLIVED if isinstance(verdict, Simulated) and not verdict.is_simulated else verdict


def marker_of(verdict: Verdict | None) -> Marker | None:
    """Return the marker of work with this verdict; None if it is real or undecided. Raises UnverifiedMarker."""
    if verdict is None:
        return None
    if isinstance(verdict, Unverified):
        raise UnverifiedMarker(verdict.reason)
    if isinstance(verdict, Simulated) and not verdict.is_simulated:
        raise UnverifiedMarker(Reason.OUTLIVED)
    return verdict.marker


def marked_verdict() -> Simulated | Unverified | None:
    """Return the verdict on the current work if it has a marker, verified or not; None for all other work.

    Only such a verdict is passed on. A worker that real work starts gets no verdict: with one, the worker would ignore
    every propagated marker.
    """
    verdict = _get_verdict()
    if verdict is REAL:
        return None
    verdict = current_verdict()
    return None if verdict is None or isinstance(verdict, Real) else verdict


def here() -> object:
    """Return the asyncio task that runs now, or else the identity of the thread."""
    loops = sys.modules.get("asyncio.events")
    loop = None if loops is None else loops._get_running_loop()
    task = None if loop is None else sys.modules["asyncio.tasks"].current_task(loop)
    return task or get_ident()


def settle(hand: InHand, verdict: Verdict | None) -> InHand:
    """Put what the worker has in hand in force in its own context, and let its OpenTelemetry context say the same."""
    settled = InHand(hand.owner, verdict, hand.child_of, is_settled=True)
    _set_verdict(settled)
    present = _get_current()
    if isinstance(verdict, Simulated):
        context.attach(marked(present, verdict, active().key))
    elif isinstance(verdict, Unverified):
        context.attach(marked_unverified(present, verdict))
    elif present and is_mirrored(present):
        context.attach(unmarked(present))
    return settled


class Block(NamedTuple):
    """A ``with`` block that the work is in."""

    block: object
    how: Entered
    owner: object
    """The thread or task that has entered it."""
    work: list[Simulated]
    """The verdict whose work goes on until the block is left, in any copy of its context."""
    is_left: bool = False


BLOCKS: ContextVar[tuple[Block, ...]] = ContextVar("synthetic-blocks", default=())
"""The blocks that the work is in. The blocks themselves do not know, because threads and tasks may share them."""

_get_blocks = BLOCKS.get

Entered = tuple[
    "Token[Verdict | InHand | None]", "Token[context.Context] | None", Simulated | None, "tuple[Block, ...] | None"
]
"""What ``leave`` needs: the tokens that reset the context variable and, if it was changed, OpenTelemetry's context; the
verdict whose work, or part of it, ends; and the blocks that the work was in."""


def enter(verdict: Verdict | None, *, is_work: bool = False, marks_span: bool = False) -> Entered:
    """Put ``verdict`` in force; None means that nothing is decided. ``leave`` restores the verdict from before.

    For work that is not simulated, the OpenTelemetry context changes only if it holds a verdict or a marker. With
    ``is_work``, a piece of work with this verdict begins here, or a part of one. It ends with ``leave``, as does every
    block that was entered in between. With ``marks_span``, the current span is marked: it began before the verdict was
    known.
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
            entered = _set_verdict(verdict), None, work, blocks  # another library has carried it here
        else:
            otel = marked(present, verdict, key) if present else alone(verdict, key)
            entered = _set_verdict(verdict), context.attach(otel), work, blocks
        if work is not None:
            work.begin()
        if present and marks_span:
            mark_span(verdict)
        if _get_hooks()[1] is not None:
            watch_generators()
        return entered
    if isinstance(verdict, Unverified):
        watch_generators()
        return _set_verdict(verdict), context.attach(marked_unverified(present, verdict)), None, blocks
    if present and is_mirrored(present):
        return _set_verdict(verdict), context.attach(unmarked(present)), None, blocks
    return _set_verdict(verdict), None, None, blocks


def watch_generators() -> None:
    """From now on, an asynchronous generator that is given up in this thread's event loop ends as what it began as."""
    watch(_how_to_close, without_verdict)


def _how_to_close() -> Callable[[Any], Awaitable[None]] | None:
    verdict = marked_verdict()
    return None if verdict is None else partial(_close, verdict)


async def _close(verdict: Simulated | Unverified, generator: Any) -> None:
    entered = enter(verdict.for_work() if isinstance(verdict, Simulated) else verdict, is_work=True)
    try:
        await generator.aclose()
    finally:
        leave(entered)


def without_verdict(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call ``function`` with no verdict in force, not even real. Return its result.

    What starts a worker is called like this. With a verdict, the worker would ignore every propagated marker. The other
    context variables stay: a fork copies them.
    """
    if _get_verdict() is None and not _get_current():
        return function(*args, **kwargs)
    entered = enter(None)
    try:
        return function(*args, **kwargs)
    finally:
        leave(entered)


def leave(entered: Entered) -> bool:
    """Restore the verdict from before ``enter``; return whether that was possible.

    In another context than that of ``enter`` (a generator finalised elsewhere), there is nothing to restore.
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
    """Forget the blocks that were entered after ``blocks`` and were not left when the work ended.

    A suspended generator holds them. It may end in the middle of other work, whose verdict it must not replace.
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
