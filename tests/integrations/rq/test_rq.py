"""RQ against the contract: instrumented, with the explicit class of jobs, and with a process for each job."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from synthetic_rq import SyntheticJob
from tests.contract.messages import Broker, MessageContract, Seen
from tests.products.rq.workers import Jobs, work_off, working


class TestInstrumented(MessageContract):
    our_part = "synthetic_rq._headers.dispatch"

    @pytest.fixture
    def broker(self, jobs: Jobs, on: None) -> Iterator[Broker]:
        with working(jobs.queue):
            yield jobs


class TestExplicitly(MessageContract):
    our_part = "synthetic_rq._headers.dispatch"

    @pytest.fixture
    def broker(self, jobs: Jobs) -> Iterator[Broker]:
        explicit = Jobs(jobs.connection, SyntheticJob)
        with working(explicit.queue):
            yield explicit


class ForkingJobs(Jobs):
    """Each job has a process of its own, forked when somebody asks for it."""

    def handled(self, name: str) -> Seen:
        if self.find(name) is None:
            work_off(self.queue)
        return super().handled(name)

    def refused(self, name: str) -> str:
        work_off(self.queue)
        return super().refused(name)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
class TestForking(MessageContract):
    our_part = "synthetic_rq._headers.dispatch"

    @pytest.fixture
    def broker(self, jobs: Jobs, on: None) -> Broker:
        return ForkingJobs(jobs.connection)
