"""Fixtures for the tests of client integrations."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import synthetic
from tests.support import brokers
from tests.support.recording_server import RecordingServer


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


@pytest.fixture
def instrumented() -> Iterator[None]:
    synthetic.instrument("requests")
    yield
    synthetic.uninstrument("requests")


# Brokers, each started once for all tests of a process.


@pytest.fixture(scope="session")
def valkey_port() -> Iterator[int]:
    with brokers.valkey() as port:
        yield port


@pytest.fixture(scope="session")
def nats_port() -> Iterator[int]:
    with brokers.nats() as port:
        yield port


@pytest.fixture(scope="session")
def rabbitmq_port() -> Iterator[int]:
    if not brokers.has_rabbitmq():
        if os.environ.get("CI_REQUIRES_RABBITMQ"):
            pytest.fail("RabbitMQ is not installed, and these tests have to run: apt-get install rabbitmq-server")
        pytest.skip("RabbitMQ is not installed: apt-get install rabbitmq-server")
    with brokers.rabbitmq() as port:
        yield port


@pytest.fixture(scope="session")
def kafka_address() -> Iterator[str]:
    with brokers.kafka_process() as address:
        yield address


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    with brokers.aws() as url:
        yield url
