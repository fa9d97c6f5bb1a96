"""Timing: cases that are compared take turns, so that whatever else the machine does reaches all of them."""

from __future__ import annotations

import gc
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import Context
from dataclasses import dataclass
from statistics import median
from typing import Any

_SAMPLE = 0.001
"""Seconds that one sample takes at least: long for the clock, short beside a time slice of the scheduler."""


@dataclass(frozen=True)
class Effort:
    """How much is measured: the number of rounds of short samples, and what the slow benchmarks scale with it."""

    rounds: int
    processes: int
    slices: int


FULL = Effort(rounds=600, processes=41, slices=400)
QUICK = Effort(rounds=60, processes=15, slices=80)


@dataclass(frozen=True)
class Case:
    """One thing to time. ``run(n)`` does it n times and returns the seconds that took.

    ``around`` is entered for each sample, outside the timing. ``number`` is the n of a sample; None finds one.
    ``warm`` is an n for before the timing: where ``around`` patches a class, the interpreter starts all over.
    """

    run: Callable[[int], float]
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    number: int | None = None
    warm: int = 0


def statement(code: str, /, **names: Any) -> Callable[[int], float]:
    """Return the ``run`` of a case: ``code`` in a loop, with nothing around it.

    It is the processor's time that counts: nothing here waits, and others may use the machine.
    """
    return timeit.Timer(code, timer=time.process_time, globals=names).timeit


def together(*managers: Callable[[], AbstractContextManager[Any]]) -> Callable[[], AbstractContextManager[None]]:
    """Return the ``around`` of a case that enters all of these, in order."""

    @contextmanager
    def around() -> Iterator[None]:
        with ExitStack() as stack:
            for manager in managers:
                stack.enter_context(manager())
            yield

    return around


class Times:
    """Nanoseconds per operation: for each case, one sample a round."""

    def __init__(self, samples: dict[str, list[float]]) -> None:
        self._samples = samples

    def of(self, name: str) -> float:
        """The median time of a case."""
        return median(self._samples[name])

    def added(self, name: str, to: str) -> float:
        """What a case takes on top of another: the median of the differences within each round."""
        return median(long - short for long, short in zip(self._samples[name], self._samples[to], strict=True))


def interleaved(cases: dict[str, Case], rounds: int) -> Times:
    """Time the cases in rounds: A B C, C B A, A B C ..."""
    numbers = {name: case.number or _calibrated(case) for name, case in cases.items()}
    samples: dict[str, list[float]] = {name: [] for name in cases}
    order: Sequence[str] = list(cases)
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name in order:
                samples[name].append(_sample(cases[name], numbers[name]))
            order = order[::-1]
    finally:
        gc.enable()
    return Times(samples)


def _sample(case: Case, number: int) -> float:
    # In a context of its own, as requests are handled: some middleware leaves a context variable set.
    return Context().run(_seconds, case, number) / number * 1e9


def _seconds(case: Case, number: int) -> float:
    with case.around():
        if case.warm:
            case.run(case.warm)
        return case.run(number)


def _calibrated(case: Case) -> int:
    number = 1
    while True:
        if Context().run(_seconds, case, number) >= _SAMPLE:
            return number
        number *= 2
