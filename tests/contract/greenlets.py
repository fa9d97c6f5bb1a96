"""What every integration for greenlets must do. A subclass adapts one library; it inherits the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, ClassVar

import synthetic
from synthetic import UnverifiedMarker, carry, guard, real, simulated
from synthetic.errors import Reason
from tests.products.concurrency import RUN, seen
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import mint, shared_key

Function = Callable[..., Any]
Hops = dict[str, Callable[[Callable[[], Any]], Any]]


@contextmanager
def switched_on(product: str, keys: dict[str, Any]) -> Iterator[None]:
    """Configure keys and instrument the product."""
    synthetic.configure(keys=keys)
    synthetic.instrument(product)
    yield
    synthetic.uninstrument(product)


class GreenletContract:
    """Greenlets and jobs inherit a simulated verdict from their starter. Workers and real work have none.

    The module of the subclass has a fixture that switches the integration on. The class has a fixture ``hop``, the
    name of one of ``hops``. A hop calls a function and returns its result.
    """

    product: ClassVar[str]
    hops: ClassVar[Hops]
    attributes: ClassVar[tuple[tuple[Any, str], ...]]
    """The patched attributes: owner and name."""
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
        """Return a queue of the library."""
        raise NotImplementedError

    def plain_greenlets(self) -> list[Any]:
        """Start one greenlet of each kind."""
        raise NotImplementedError

    def seen_everywhere(self) -> set[str]:
        return {hop(seen) for hop in self.hops.values()}

    def test_every_hop_carries_a_simulated_verdict_and_no_real_one(self, hop: str) -> None:
        for _ in range(2):
            with simulated(run=RUN):
                assert self.hops[hop](seen) == RUN
            with real():
                assert self.hops[hop](seen) == "unset"
            assert self.hops[hop](seen) == "unset"

    def test_every_hop_carries_an_unverified_verdict(self) -> None:
        with brought_by_opentelemetry(mint(shared_key("test"))):
            assert self.seen_everywhere() == {"unverified: bad-signature"}

    def test_every_hop_carries_a_marker_from_opentelemetry(self, keys: dict[str, Any]) -> None:
        with brought_by_opentelemetry(mint(keys, claims={"run": RUN})):
            assert self.seen_everywhere() == {RUN}

    def test_real_work_within_simulated_work_stays_real(self) -> None:
        def within() -> Any:
            with real():
                return self.result(self.spawn(seen))

        with simulated(run=RUN):
            assert self.result(self.spawn(within)) == "unset"

    def test_no_hop_carries_a_verdict_without_the_integration(self) -> None:
        synthetic.uninstrument(self.product)
        with simulated(run=RUN):
            assert self.seen_everywhere() == {"unset"}

    def test_interleaved_greenlets_keep_their_own_verdicts(self) -> None:
        def turns(expected: str) -> bool:
            kept = []
            for _ in range(5):
                self.sleep(0)
                kept.append(seen() == expected)
            return all(kept)

        def start(run: str) -> Any:
            with simulated(run=run):
                return self.result(self.spawn(turns, run))

        greenlets = []
        for number in range(50):
            greenlets.append(self.spawn(start, f"run-{number}"))
            greenlets.append(self.spawn(turns, "unset"))
        assert all(self.result(greenlet) for greenlet in greenlets)

    def test_a_greenlet_that_starts_another_keeps_its_verdict(self) -> None:
        def other() -> None:
            with simulated(run="other"):
                self.sleep(0)

        with simulated(run=RUN):
            self.spawn(other)
            self.sleep(0)
            assert seen() == RUN
        assert seen() == "unset"

    def test_a_worker_runs_each_job_under_the_verdict_of_the_job(self) -> None:
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

    def test_a_worker_that_simulated_work_started_refuses_what_comes_later(self) -> None:
        jobs, charged, refused = self.queue(), [], []

        @guard("payment")
        def charge(whose: str) -> None:
            charged.append(whose)

        def work() -> None:
            while whose := jobs.get():
                try:
                    charge(whose)
                except UnverifiedMarker as error:
                    refused.append((whose, error.reason))

        with simulated(run=RUN):
            worker = self.spawn(work)
            jobs.put("simulated")
            self.sleep(0)
        with real():
            jobs.put("real")
        jobs.put("undecided")
        jobs.put(None)
        self.result(worker)
        assert not charged
        assert refused == [("real", Reason.OUTLIVED), ("undecided", Reason.OUTLIVED)]

    def test_uninstrument_restores_everything(self) -> None:
        synthetic.uninstrument(self.product)
        assert self.present() == self.original
        with simulated(run=RUN):
            assert [greenlet.gr_context for greenlet in self.plain_greenlets()] == [None, None]

    def test_one_uninstrument_call_undoes_two_instrument_calls(self) -> None:
        synthetic.instrument(self.product)
        synthetic.uninstrument(self.product)
        assert self.present() == self.original
        synthetic.instrument(self.product)
        with simulated(run=RUN):
            assert self.seen_everywhere() == {RUN}

    def test_real_work_leaves_greenlets_unchanged(self) -> None:
        with real():
            assert [greenlet.gr_context for greenlet in self.plain_greenlets()] == [None, None]
