"""The marker in messages that are produced and consumed with aiokafka.

``synthetic.instrument("aiokafka")`` covers every producer. Without patches, use ``SyntheticProducer``. A consumer's
loop is your own code, which no patch can cover: wrap the consumer in a ``SyntheticConsumer``. It hands out each
message, or each group of a batch, in a ``with`` block that puts its verdict in force.
"""

from __future__ import annotations

from typing import Any

from synthetic.integration import Handling, Integration, Park, RefusedMessage
from synthetic_aiokafka import _explicit, _out
from synthetic_aiokafka._in import SyntheticConsumer
from synthetic_aiokafka._refusal import DeadLetter

__all__ = ["DeadLetter", "Handling", "Park", "RefusedMessage", "SyntheticConsumer", "SyntheticProducer", "integration"]

SyntheticProducer: type[Any] = _explicit.SyntheticProducer
"""An ``AIOKafkaProducer``, which has no types, that sends the marker. Use it instead of instrumenting all producers."""

integration: Integration = _out.patches
"""The entry point ``aiokafka``."""
