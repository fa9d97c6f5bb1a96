"""What both clients share when they run the contract for messages."""

from __future__ import annotations

from typing import Any

from tests.contract.messages import Seen, eventually
from tests.products.kafka import PARTITIONS, Topic, baggage_in, headers_with


class KafkaBroker:
    """A topic, what became of each message, and the dead letters. A subclass consumes both and gives ``send``."""

    def __init__(self, address: str) -> None:
        self.topic = Topic(address)
        self.letters = self.topic.dead_letters()
        self.partitions = tuple(range(PARTITIONS))
        self.producer: Any = None
        self.seen: dict[str, Seen] = {}
        self.reasons: dict[str, str] = {}

    def handle(self, value: bytes, headers: Any) -> None:
        name = value.decode()
        self.seen[name] = Seen.now(name, ",".join(baggage_in(headers)) or None)

    def bury(self, value: bytes, headers: Any) -> None:
        self.reasons[value.decode()] = dict(headers)["synthetic-refused-reason"].decode()

    def send_raw(self, name: str, baggage: list[str]) -> None:
        self.topic.put((name, headers_with(baggage)))

    def handled(self, name: str) -> Seen:
        seen: Seen = eventually(lambda: self.seen.get(name))
        return seen

    def refused(self, name: str) -> str:
        reason: str = eventually(lambda: self.reasons.get(name))
        assert name not in self.seen
        return reason
