"""The marker in messages that are produced and consumed with confluent-kafka.

``synthetic.instrument("confluent-kafka")`` covers producers of every class derived from ``confluent_kafka.Producer``,
``SerializingProducer`` for one. Call it before you import ``Producer`` itself by name: a name that was imported earlier
makes producers that are not covered. Without patches, use ``SyntheticProducer``. A consumer's loop is your own code,
which no patch can cover: wrap the consumer in a ``SyntheticConsumer``. It hands out each message, or each group of a
batch, in a ``with`` block that puts its verdict in force.
"""

from __future__ import annotations

from synthetic.integration import Handling, Integration, Park, RefusedMessage
from synthetic_confluent_kafka._explicit import SyntheticProducer
from synthetic_confluent_kafka._in import SyntheticConsumer
from synthetic_confluent_kafka._out import Producers
from synthetic_confluent_kafka._refusal import DeadLetter, MarkerNotCarried

__all__ = [
    "DeadLetter",
    "Handling",
    "MarkerNotCarried",
    "Park",
    "RefusedMessage",
    "SyntheticConsumer",
    "SyntheticProducer",
    "integration",
]

integration: Integration = Producers()
"""The entry point ``confluent-kafka``.

After ``synthetic.uninstrument("confluent-kafka")``, producers that exist go on without the marker.
"""
