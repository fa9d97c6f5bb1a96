"""The rules for every library of greenlets. A subclass says how to start work, and inherits the tests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, ClassVar

import pytest

import synthetic
from synthetic import carry, guard, ledger, real, simulated
from synthetic._work.outlived import OUTLIVED
from tests.products.concurrency import RUN, seen
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import mint, shared_key

Function = Callable[..., Any]
Hops = dict[str, Callable[[Callable[[], Any]], Any]]


@contextmanager
def switched_on(product: str, keys: dict[str, Any]) -> Iterator[None]:
    """Switch the integration on, with keys. Work that outlives its request is reported at once."""
    synthetic.configure(keys=keys, linger=0.01)
    synthetic.instrument(product)
    yield
    synthetic.uninstrument(product)


class GreenletContract:
    """Greenlets and jobs run under the verdict of their starter. Workers, and those of real work, have none.

    The subclass's module has a fixture that switches the integration on, and the class a fixture ``hop``: one of
    ``hops``, each of which calls a function, and gives what that returned.
    """

    product: ClassVar[str]
    hops: ClassVar[Hops]
    attributes: ClassVar[tuple[tuple[Any, str], ...]]
    """The patched attributes, each with its owner and its name."""
    original: ClassVar[list[Any]]

    def __init_subclass__(cls) -> None:
        cls.original = cls.present()

    @classmethod
    def present(cls) -> list[Any]:
        return [vars(owner)[name] for owner, name in cls.attributes]

    def spawn(self, function: Function, *args: Any) -> Any:
        """Start a greenlet."""
        raise NotImplementedError

    def result(self, greenlet: Any) -> Any:
        """Wait for a greenlet's result."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> None:
        """Let others run."""
        raise NotImplementedError

    def queue(self) -> Any:
        """Return a queue of the library's own."""
        raise NotImplementedError

    def plain_greenlets(self) -> list[Any]:
        """Start one greenlet of each kind."""
        raise NotImplementedError

    def seen_everywhere(self) -> set[str]:
        return {hop(seen) for hop in self.hops.values()}

    def test_every_hop_carries_simulated_work_and_leaves_no_verdict_for_real_work(self, hop: str) -> None:
        for _ in range(2):
            with simulated(run=RUN):
                assert self.hops[hop](seen) == RUN
            with real():
                assert self.hops[hop](seen) == "unset"
            assert self.hops[hop](seen) == "unset"

    def test_unverified_work_stays_unverified_over_every_hop(self) -> None:
        with brought_by_opentelemetry(mint(shared_key("test"))):
            assert self.seen_everywhere() == {"unverified: bad-signature"}

    def test_every_hop_carries_a_marker_from_opentelemetrys_context(self, keys: dict[str, Any]) -> None:
        with brought_by_opentelemetry(mint(keys, claims={"run": RUN})):
            assert self.seen_everywhere() == {RUN}

    def test_real_work_within_simulated_work_stays_real(self) -> None:
        def within() -> Any:
            with real():
                return self.result(self.spawn(seen))

        with simulated(run=RUN):
            assert self.result(self.spawn(within)) == "unset"

    def test_without_the_integration_no_verdict_is_carried(self) -> None:
        synthetic.uninstrument(self.product)
        with simulated(run=RUN):
            assert self.seen_everywhere() == {"unset"}

    def test_greenlets_that_take_turns_keep_their_verdicts(self) -> None:
        def turns(expected: str) -> bool:
            kept = []
            for _ in range(5):
                self.sleep(0)
                kept.append(seen() == expected)
            return all(kept)

        greenlets = []
        for number in range(50):
            with simulated(run=f"run-{number}"):
                greenlets.append(self.spawn(turns, f"run-{number}"))
            greenlets.append(self.spawn(turns, "unset"))
        assert all(self.result(greenlet) for greenlet in greenlets)

    def test_the_starter_keeps_its_own_verdict(self) -> None:
        def other() -> None:
            with simulated(run="other"):
                self.sleep(0)

        with simulated(run=RUN):
            self.spawn(other)
            self.sleep(0)
            assert seen() == RUN
        assert seen() == "unset"

    def test_a_worker_runs_each_carried_job_under_its_verdict(self) -> None:
        jobs, results = self.queue(), []

        def work() -> None:
            while job := jobs.get():
                results.append(job())

        with simulated(run="starter"):
            worker = Context().run(self.spawn, work)
            jobs.put(carry(seen))
        with simulated(run=RUN):
            jobs.put(carry(seen))
        jobs.put(seen)
        jobs.put(None)
        self.result(worker)
        assert results == ["starter", RUN, "unset"]

    def test_a_worker_that_simulated_work_started_is_reported(self, caplog: pytest.LogCaptureFixture) -> None:
        run = f"the-starter-of-{self.product}-is-over"

        @guard("payment")
        def charge() -> None:
            raise AssertionError("this work is simulated")

        jobs = self.queue()

        def work() -> None:
            while job := jobs.get():
                job()

        with simulated(run=run):
            worker = self.spawn(work)
            self.sleep(0)
        self.sleep(0.05)
        with ledger.recorded() as outcomes, caplog.at_level(logging.WARNING, "synthetic"):
            jobs.put(charge)
            jobs.put(None)
            self.result(worker)
        assert [outcome.effect for outcome in outcomes] == [OUTLIVED, "payment"]
        assert f"run {run!r}" in caplog.text

    def test_uninstrument_restores_the_original_functions(self) -> None:
        synthetic.uninstrument(self.product)
        assert self.present() == self.original
        with simulated(run=RUN):
            assert [greenlet.gr_context for greenlet in self.plain_greenlets()] == [None, None]

    def test_one_uninstrument_undoes_two_calls_of_instrument(self) -> None:
        synthetic.instrument(self.product)
        synthetic.uninstrument(self.product)
        assert self.present() == self.original
        synthetic.instrument(self.product)
        with simulated(run=RUN):
            assert self.seen_everywhere() == {RUN}

    def test_real_work_touches_no_greenlet(self) -> None:
        with real():
            assert [greenlet.gr_context for greenlet in self.plain_greenlets()] == [None, None]
