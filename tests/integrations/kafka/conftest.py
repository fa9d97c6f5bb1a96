"""Fixtures for the tests of both Kafka clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import synthetic
from tests.products.kafka import Headers, Topic, headers_with
from tests.support.keys import entry, mint, shared_key


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], configuration: None) -> None:
    synthetic.configure(keys=keys)


@pytest.fixture
def topic(kafka_address: str) -> Topic:
    return Topic(kafka_address)


@pytest.fixture
def letters(topic: Topic) -> Topic:
    """Refused messages go here."""
    return topic.dead_letters()


@pytest.fixture
def forged() -> Headers:
    return headers_with([entry(mint(shared_key()))])


@pytest.fixture
def marked(keys: dict[str, Any]) -> Callable[[str], Headers]:
    """The headers of work that is simulated in this run."""
    return lambda run: headers_with([entry(mint(keys, claims={"run": run}))])
