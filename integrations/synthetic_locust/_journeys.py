"""Journeys and steps: pieces of an actor's life that succeed or fail."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import wraps
from types import TracebackType
from typing import Any, Final, ParamSpec, Protocol, TypeVar, cast

import gevent  # type: ignore[import-untyped]
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser

from synthetic.errors import UndeclaredWork, UnverifiedMarker
from synthetic.integration import Reason
from synthetic_locust._tally import NO_STEP, Ended, Outcome, shortened
from synthetic_locust._traces import Trace

__all__ = [
    "Cause",
    "JourneyFailed",
    "Observer",
    "declared",
    "is_spent",
    "journey",
    "name_of_request",
    "note",
    "observe",
    "observe_here",
    "observer_here",
    "step",
    "traceparent",
]

P = ParamSpec("P")
R = TypeVar("R")

_HANDS_OVER: Final = (InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately)
"""How a task ends, or hands over to another one. That is no failure by itself."""


class JourneyFailed(AssertionError):
    """A journey has failed, in a test. ``ended`` says where and why."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(str(ended))
        self.ended = ended


class Cause(Exception):
    """Why a step did not succeed. ``later`` is None for a failure, and the seconds to wait if it was shed."""

    def __init__(self, text: str, *, later: float | None = None) -> None:
        super().__init__(shortened(text))
        self.later = later
        self.step = NO_STEP


class Observer(Protocol):
    """Is told how journeys go."""

    def begins(self, journey: str) -> None:
        """A journey begins."""
        ...

    def ends(self, ended: Ended, seconds: float) -> None:
        """A journey has ended after this time. An error that is raised here ends the task."""
        ...

    def samples(self) -> bool:
        """Return whether the services are to record the trace of the next journey."""
        ...


class _Nobody:
    """Refuses journeys: nobody has marked the actors of this process."""

    def begins(self, journey: str) -> None:
        raise UndeclaredWork

    def ends(self, ended: Ended, seconds: float) -> None:
        pass

    def samples(self) -> bool:
        return False


_observer: Observer = _Nobody()
_own_observer: ContextVar[Observer | None] = ContextVar("synthetic-locust-observer", default=None)


def observe(observer: Observer) -> None:
    """Tell ``observer`` how all journeys of this process go, from now on."""
    global _observer
    _observer = observer


def observe_here(observer: Observer | None) -> None:
    """Tell ``observer`` instead how the journeys of this thread or greenlet go. None undoes that."""
    _own_observer.set(observer)


def observer_here() -> Observer | None:
    """Return the observer that was given with ``observe_here``, or None."""
    return _own_observer.get()


def _observing() -> Observer:
    return _own_observer.get() or _observer


declared: Final[set[str]] = set()
"""The names of the journeys that decorate tasks. A run in which none of them has begun is not healthy."""


class _Part:
    """A journey or a step that is under way, with the first cause why it will not succeed."""

    __slots__ = ("begun", "cause", "entered", "name", "outer", "timer", "trace")

    def __init__(self, name: str, trace: Trace | None = None) -> None:
        self.name = name
        self.outer: _Part | None = _part.get()
        self.trace: Trace | None = trace if trace is not None or self.outer is None else self.outer.trace
        self.cause: Cause | None = None
        self.timer: Any = None
        self.begun = time.perf_counter()
        self.entered: Token[_Part | None] = _part.set(self)

    def leave(self, error: BaseException | None) -> Cause | None:
        """Go back to the part around this one. Return why this one did not succeed, or None."""
        _part.reset(self.entered)
        if self.timer is not None:
            self.timer.close()
        # A failed request says more than the exception that it has caused.
        if self.cause is not None or error is None or _is_stop(error) or isinstance(error, _HANDS_OVER):
            return self.cause
        if isinstance(error, Cause):
            return error
        text = str(error)
        return Cause(f"{type(error).__name__}: {text}" if text else type(error).__name__)


_part: ContextVar[_Part | None] = ContextVar("synthetic-locust-part", default=None)


def note(cause: Cause) -> bool:
    """Note why the step, or the journey, that is under way will not succeed. The first cause counts.

    Return whether a journey is under way.
    """
    part = _part.get()
    if part is not None and part.cause is None:
        part.cause = cause
    return part is not None and part.trace is not None


def name_of_request() -> str | None:
    """Return the name for the requests of the step that is under way; None outside of a step."""
    part = _part.get()
    return None if part is None or part.outer is None else f"{part.outer.name}: {part.name}"


def traceparent() -> str | None:
    """Return the ``traceparent`` header for the requests of the journey that is under way; None outside of one."""
    part = _part.get()
    return None if part is None or part.trace is None else part.trace.header


class journey:
    """A named piece of an actor's life that succeeds or fails: ``with journey("ride"):`` or ``@journey("ride")``.

    It fails with the first request that fails in it, with an exception, or with a step that takes too long. Then it is
    counted, with its step and cause, and the task ends: the actor waits and goes on with another task. A request that
    the service sheds makes it *shed*, which is no failure: the actor waits as long as the service asks for. A journey
    whose actor is stopped does not count at all. A journey inside of another is a step of that one, too.
    """

    def __init__(self, name: str) -> None:
        if not isinstance(cast("object", name), str):
            raise TypeError('a journey has a name: @journey("ride"), or with journey("ride"):')
        self._name = name

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a task, each call of which is such a journey."""
        if isinstance(function, type):
            raise TypeError(f"a journey is a task; {function.__name__} is a class. Decorate its tasks.")
        declared.add(self._name)

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with journey(self._name):
                return function(*args, **kwargs)

        return run

    def __enter__(self) -> None:
        observer = _observing()
        observer.begins(self._name)
        _Part(self._name, Trace(self._name, is_sampled=observer.samples()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        part = cast("_Part", _part.get())
        cause = part.leave(error)
        trace = cast("Trace", part.trace)
        trace.end(None if cause is None else str(cause))
        if error is not None and _is_stop(error):
            return
        outcome: Outcome = "completed" if cause is None else "failed" if cause.later is None else "shed"
        text, step = (None, NO_STEP) if cause is None else (str(cause), cause.step)
        ended = Ended(self._name, outcome, step, text, trace.trace_id)
        _observing().ends(ended, time.perf_counter() - part.begun)
        if cause is not None:
            cause.step = self._name
            _end_task(cause, part, error)


class step:
    """A named part of a journey: ``with step("book", within=20):``.

    Its requests are named after it, and a failure names it. ``within`` is a time in seconds: the step fails if it takes
    longer. A step outside of a journey only names requests.
    """

    def __init__(self, name: str, *, within: float | None = None) -> None:
        self._name = name
        self._within = within

    def __enter__(self) -> None:
        part = _Part(self._name)
        if self._within is not None:
            part.timer = gevent.Timeout.start_new(self._within, self._too_long())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        part = cast("_Part", _part.get())
        cause = part.leave(error)
        is_late = self._within is not None and time.perf_counter() - part.begun > self._within
        if cause is None and is_late and (error is None or not _is_stop(error)):
            cause = self._too_long()
        if cause is None or part.outer is None:
            return
        if cause.step == NO_STEP:
            cause.step = self._name
        note(cause)  # the journey counts it, whatever is raised or caught on the way there
        if error is None:
            raise cause

    def _too_long(self) -> Cause:
        return Cause(f"took longer than {self._within:g} s")


def is_spent(error: object) -> bool:
    """Whether an actor's call was refused because a guardrail has stopped the actor."""
    return isinstance(error, UnverifiedMarker) and error.reason is Reason.OUTLIVED


def _end_task(cause: Cause, part: _Part, error: BaseException | None) -> None:
    """End the task of a journey that did not succeed."""
    if isinstance(error, _HANDS_OVER):
        if part.outer is not None:
            note(cause)
        return
    if part.outer is not None:
        raise cause from error
    if cause.later is not None:
        gevent.sleep(cause.later * random.uniform(1, 2))
    raise RescheduleTask from error


def _is_stop(error: BaseException) -> bool:
    """Whether the actor is stopped. That is neither a success nor a failure."""
    return not isinstance(error, Exception) or isinstance(error, (StopTest, StopUser)) or is_spent(error)
