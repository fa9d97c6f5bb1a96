"""The marker in messages that are produced and consumed with confluent-kafka.

``instrument()`` (or ``synthetic.instrument("confluent-kafka")``) covers producers; ``SyntheticProducer`` is one that
is covered without it. No hook sees a consumer's loop, so that a ``SyntheticConsumer`` goes around the consumer: it
gives each message, or each group of a batch, in a ``with`` block that has its verdict.
"""

from __future__ import annotations

from synthetic._instrument import Integration
from synthetic._log_broker import Handling, Park, Refused
from synthetic_confluent_kafka._consumer import SyntheticConsumer
from synthetic_confluent_kafka._dead_letter import DeadLetter
from synthetic_confluent_kafka._instrumented import Producers
from synthetic_confluent_kafka._producer import MarkerNotCarried, SyntheticProducer

__all__ = [
    "DeadLetter",
    "Handling",
    "MarkerNotCarried",
    "Park",
    "Refused",
    "SyntheticConsumer",
    "SyntheticProducer",
    "instrument",
    "integration",
    "uninstrument",
]

integration: Integration = Producers()
"""The entry point ``confluent-kafka``."""


def instrument() -> None:
    """Send the marker along with every message of every producer. Done once, however often it is called.

    Not covered are producers made by ``Producer`` itself under a name that was imported before; every class derived
    from it is, ``SerializingProducer`` among them.
    """
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Producers made meanwhile stay as they are, and send no marker of their own accord."""
    integration.uninstrument()
