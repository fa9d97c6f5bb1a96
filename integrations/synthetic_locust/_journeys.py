"""Journeys and steps: pieces of an actor's life that succeed or fail."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import wraps
from types import TracebackType
from typing import Any, Final, ParamSpec, Protocol, TypeVar

import gevent
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser

from synthetic_locust._tally import NO_STEP, Ended, Outcome, shortened
from synthetic_locust._traces import Trace

__all__ = ["Cause", "JourneyFailed", "Observer", "journey", "name_of_request", "note", "observe", "step", "traceparent"]

P = ParamSpec("P")
R = TypeVar("R")

_ENDS_OF_TASKS: Final = (InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately)
"""How a task hands over to another one. That is no failure by itself."""

_LOCUSTS_OWN: Final = (*_ENDS_OF_TASKS, StopTest, StopUser)


class JourneyFailed(Exception):
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
    def begins(self, journey: str) -> None:
        pass

    def ends(self, ended: Ended, seconds: float) -> None:
        pass

    def samples(self) -> bool:
        return False


_observer: Observer = _Nobody()


def observe(observer: Observer) -> Observer:
    """Tell ``observer`` how all journeys of this process go, from now on. Return the one that was told before."""
    global _observer
    before, _observer = _observer, observer
    return before


class _Part:
    """A journey or a step that is under way, with the first cause why it will not succeed."""

    __slots__ = ("cause", "name", "outer", "trace")

    def __init__(self, name: str, outer: _Part | None, trace: Trace | None) -> None:
        self.name = name
        self.outer = outer
        self.trace = trace
        self.cause: Cause | None = None


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
    the service sheds makes it *shed*, which is no failure: the actor waits as long as the service asks for. A task that
    is stopped in a journey does not count at all, nor does one that hands over to another task before anything has
    failed. A journey inside of another is a step of that one, too.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._entered: list[tuple[Token[_Part | None], Trace, float]] = []

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a task, each call of which is such a journey."""

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with journey(self._name):
                return function(*args, **kwargs)

        return run

    def __enter__(self) -> None:
        _observer.begins(self._name)
        trace = Trace(self._name, is_sampled=_observer.samples())
        entered = _part.set(_Part(self._name, _part.get(), trace))
        self._entered.append((entered, trace, time.perf_counter()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        entered, trace, begun = self._entered.pop()
        part = _part.get()
        _part.reset(entered)
        cause = _cause(part, error)
        trace.end(None if cause is None else str(cause))
        hands_over = isinstance(error, _ENDS_OF_TASKS)
        if error is not None and _is_stop(error) and not (cause and hands_over):
            return
        outcome: Outcome = "completed" if cause is None else "failed" if cause.later is None else "shed"
        ended = Ended(
            self._name,
            outcome,
            NO_STEP if cause is None else cause.step,
            None if cause is None else str(cause),
            trace.trace_id,
        )
        _observer.ends(ended, time.perf_counter() - begun)
        if cause is None:
            return
        if _part.get() is not None:
            cause.step = self._name
            if hands_over:
                note(cause)
                return
            raise cause from error
        if cause.later is not None:
            gevent.sleep(cause.later * random.uniform(1, 2))
        if hands_over:
            return
        raise RescheduleTask from error


class step:
    """A named part of a journey: ``with step("book", within=20):``.

    Its requests are named after it, and a failure names it. ``within`` is a time in seconds: the step fails if it takes
    longer. A step outside of a journey only names requests.
    """

    def __init__(self, name: str, *, within: float | None = None) -> None:
        self._name = name
        self._within = within

    def __enter__(self) -> None:
        outer = _part.get()
        self._entered = _part.set(_Part(self._name, outer, None if outer is None else outer.trace))
        self._begun = time.perf_counter()
        self._timer = None
        if self._within is not None:
            self._timer = gevent.Timeout.start_new(self._within, self._too_long())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        part = _part.get()
        _part.reset(self._entered)
        if self._timer is not None:
            self._timer.close()
        cause = _cause(part, error)
        if error is not None and _is_stop(error):
            if cause is not None:
                cause.step = self._name if cause.step == NO_STEP else cause.step
                note(cause)  # the task hands over, and the journey counts what has failed before
            return
        if cause is None and self._within is not None and time.perf_counter() - self._begun > self._within:
            cause = self._too_long()
        if cause is None:
            return
        if cause.step == NO_STEP:
            cause.step = self._name
        if _part.get() is None:
            return  # there is no journey that could fail
        if error is not cause:
            raise cause from error

    def _too_long(self) -> Cause:
        return Cause(f"took longer than {self._within:g} s")


def _cause(part: Any, error: BaseException | None) -> Cause | None:
    """Return why a part did not succeed. A failed request says more than the exception that it has caused."""
    noted: Cause | None = None if part is None else part.cause
    if noted is not None or error is None or _is_stop(error):
        return noted
    if isinstance(error, Cause):
        return error
    text = str(error)
    return Cause(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _is_stop(error: BaseException) -> bool:
    """Whether the actor is stopped, or its task hands over."""
    return not isinstance(error, Exception) or isinstance(error, _LOCUSTS_OWN)
