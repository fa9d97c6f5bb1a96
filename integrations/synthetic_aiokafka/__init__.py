"""The marker in messages that are produced and consumed with aiokafka.

``instrument()`` (or ``synthetic.instrument("aiokafka")``) covers producers; ``SyntheticProducer`` is one that is
covered without it. No hook sees a consumer's loop, so that a ``SyntheticConsumer`` goes around the consumer: it gives
each message, or each group of a batch, in a ``with`` block that has its verdict.
"""

from __future__ import annotations

from typing import Any

from synthetic._instrument import Integration
from synthetic._log_broker import Handling, Park, Refused
from synthetic_aiokafka import _producer
from synthetic_aiokafka._consumer import SyntheticConsumer
from synthetic_aiokafka._dead_letter import DeadLetter

__all__ = [
    "DeadLetter",
    "Handling",
    "Park",
    "Refused",
    "SyntheticConsumer",
    "SyntheticProducer",
    "instrument",
    "integration",
    "uninstrument",
]

SyntheticProducer: type[Any] = _producer.SyntheticProducer
"""An ``AIOKafkaProducer``, which has no types, that sends the marker along; for where ``instrument()`` is too much."""

integration: Integration = _producer.patches
"""The entry point ``aiokafka``."""


def instrument() -> None:
    """Send the marker along with every message of every producer. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
