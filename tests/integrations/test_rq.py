"""RQ against the contract: instrumented, and with the explicit class of jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from synthetic_rq import SyntheticJob
from tests.contract.messages import Broker, MessageContract, Seen
from tests.integrations import rq_jobs
from tests.integrations.rq_workers import Jobs, connected, work_off, working


@pytest.fixture
def connection(valkey_port: int) -> Iterator[Any]:
    with connected(valkey_port) as connection:
        yield connection


@pytest.fixture
def instrumented() -> Iterator[None]:
    synthetic.instrument("rq")
    yield
    synthetic.uninstrument("rq")


class TestInstrumented(MessageContract):
    @pytest.fixture
    def broker(self, connection: Any, configuration: None, instrumented: None) -> Iterator[Broker]:
        jobs = Jobs(connection)
        with working(jobs.queue):
            yield jobs


class TestExplicitly(MessageContract):
    @pytest.fixture
    def broker(self, connection: Any, configuration: None) -> Iterator[Broker]:
        jobs = Jobs(connection, SyntheticJob)
        with working(jobs.queue):
            yield jobs


class ForkingJobs(Jobs):
    """Each job has a process of its own, forked when somebody asks for it."""

    def handled(self, name: str) -> Seen:
        if rq_jobs.seen_in(self.connection, name) is None:
            work_off(self.queue)
        return super().handled(name)

    def refused(self, name: str) -> str:
        work_off(self.queue)
        return super().refused(name)


class TestForking(MessageContract):
    @pytest.fixture
    def broker(self, connection: Any, configuration: None, instrumented: None) -> Broker:
        return ForkingJobs(connection)
