"""arq against the contract: instrumented, and with the explicit pool and worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import synthetic
from synthetic_arq import SyntheticWorker, create_pool
from tests.contract.messages import Broker, MessageContract
from tests.products.arq import ThreadedRides, working
from tests.support import work

# arq's own, when a worker is closed.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")


@pytest.fixture
def instrumented() -> Iterator[None]:
    with work.instrumented("arq"):
        yield


class ArqContract(MessageContract):
    """A job has no headers that a caller could fill or copy. It can be read, and enqueued again as it was."""

    our_part = "synthetic_arq._out.dispatch"

    def _read_and_enqueued_again(self, broker: ThreadedRides) -> str:
        first, second = self.name(), self.name()
        with synthetic.simulated(run="yesterday"):
            broker.loop.run(broker.pool.enqueue_job("note", first, _job_id=first, _defer_by=60))
        job = broker.loop.run(broker.job(first).info())
        assert (job.function, job.args, job.kwargs) == ("note", (first,), {})
        return second if self._again(broker, second, job.function) else first

    def _again(self, broker: ThreadedRides, name: str, function: str) -> bool:
        return broker.loop.run(broker.pool.enqueue_job(function, name, _job_id=name)) is not None

    def test_real_work_that_copies_the_headers_of_a_simulated_message_sends_no_marker(self, broker: Broker) -> None:
        assert isinstance(broker, ThreadedRides)
        with synthetic.real():
            name = self._read_and_enqueued_again(broker)
        seen = broker.handled(name)
        self.check_real(seen)
        assert seen.baggage is None

    def test_the_current_marker_replaces_a_stale_one(self, broker: Broker) -> None:
        assert isinstance(broker, ThreadedRides)
        with synthetic.simulated(run="today"):
            name = self._read_and_enqueued_again(broker)
        assert broker.handled(name).run == "today"


class TestInstrumented(ArqContract):
    @pytest.fixture
    def broker(self, valkey_port: int, configuration: None, instrumented: None) -> Iterator[Broker]:
        with working(valkey_port) as rides:
            yield rides


class TestExplicitly(ArqContract):
    @pytest.fixture
    def broker(self, valkey_port: int, configuration: None) -> Iterator[Broker]:
        with working(valkey_port, create_pool, SyntheticWorker) as rides:
            yield rides


class TestBoth(ArqContract):
    @pytest.fixture
    def broker(self, valkey_port: int, configuration: None, instrumented: None) -> Iterator[Broker]:
        with working(valkey_port, create_pool, SyntheticWorker) as rides:
            yield rides
