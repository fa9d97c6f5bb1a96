"""boto3: messages over SQS, over SNS to SQS, and events of EventBridge to SQS, with moto's server in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import synthetic
from synthetic_boto3 import admitted
from tests.contract.messages import Broker, MessageContract, Seen, eventually, in_a_bare_thread
from tests.products.boto3 import (
    Envelopes,
    Queue,
    Send,
    attribute,
    baggage_on,
    body_of,
    shared_client,
    shared_resource,
    subscribed_topic,
    to_bridge,
    to_sns,
    to_sqs,
)
from tests.support.keys import entry, mint, shared_key
from tests.support.switches import instrumented


@pytest.fixture(autouse=True)
def on() -> Iterator[None]:
    with instrumented("boto3"):
        yield


class Sqs:
    """The broker of the contract: a queue, and a consumer as it is usually written."""

    to: Callable[[Queue], Send] = staticmethod(to_sqs)
    envelopes: Envelopes = ()

    def __init__(self, url: str) -> None:
        self.queue = Queue(url)
        self.seen: dict[str, Seen] = {}
        self.refusals: dict[str, str] = {}
        self.sends = self.to(self.queue)

    def send(self, name: str, baggage: str | None = None) -> None:
        self.sends(name, baggage)

    def send_raw(self, name: str, baggage: list[str]) -> None:
        in_a_bare_thread(self.send, name, ",".join(baggage) or None)

    def consume(self) -> None:
        for message in self.queue.received():
            try:
                with admitted(message, envelopes=self.envelopes):
                    self.seen[body_of(message)] = Seen.now(body_of(message), baggage_on(message))
                    self.queue.delete(message)
            except synthetic.MessageRefused as error:
                self.refusals[body_of(message)] = error.reason.value

    def handled(self, name: str) -> Seen:
        def found() -> Seen | None:
            self.consume()
            return self.seen.get(name)

        seen: Seen = eventually(found)
        return seen

    def refused(self, name: str) -> str:
        def is_dead() -> bool | None:
            self.consume()
            return name in self.queue.dead_letters() or None

        eventually(is_dead)
        assert name not in self.seen
        return self.refusals[name]


class Batch(Sqs):
    def send(self, name: str, baggage: str | None = None) -> None:
        entries = [{"Id": "1", "MessageBody": name, **attribute(baggage)}]
        self.queue.sqs.send_message_batch(QueueUrl=self.queue.url, Entries=entries)


class Resource(Sqs):
    """The same with the objects of a resource, at either end."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.own = shared_resource(url).Queue(self.queue.url)

    def send(self, name: str, baggage: str | None = None) -> None:
        self.own.send_messages(Entries=[{"Id": "1", "MessageBody": name, **attribute(baggage)}])

    def consume(self) -> None:
        for message in self.own.receive_messages(MaxNumberOfMessages=10):
            try:
                with admitted(message):
                    header = (message.message_attributes or {}).get("baggage", {}).get("StringValue")
                    self.seen[message.body] = Seen.now(message.body, header)
                    message.delete()
            except synthetic.MessageRefused as error:
                self.refusals[message.body] = error.reason.value


class Sns(Sqs):
    to = staticmethod(to_sns)
    envelopes = ("sns",)


class RawSns(Sqs):
    """A batch for a topic that delivers messages without an envelope."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sns = shared_client("sns", url)
        self.topic = subscribed_topic(self.queue, raw=True)

    def send(self, name: str, baggage: str | None = None) -> None:
        entries = [{"Id": "1", "Message": name, **attribute(baggage)}]
        self.sns.publish_batch(TopicArn=self.topic, PublishBatchRequestEntries=entries)


class EventBridge(Sqs):
    to = staticmethod(to_bridge)
    envelopes = ("eventbridge",)


class Contract(MessageContract):
    """The contract, and a message that is refused for now comes again later."""

    our_part = "synthetic_boto3._headers.dispatch"

    way: Callable[[str], Any]

    @pytest.fixture
    def broker(self, aws_url: str, _configured: None) -> Broker:
        broker: Broker = self.way(aws_url)
        return broker

    def test_a_message_refused_for_later_stays_on_the_queue(self, broker: Any, keys: dict[str, Any]) -> None:
        synthetic.configure(keys=keys, shed=lambda: True)
        name = self.name()
        with synthetic.simulated(run="rush-hour"):
            broker.send(name)
        eventually(lambda: broker.consume() or broker.refusals.get(name))
        assert broker.refusals == {name: "shed"}
        assert broker.queue.dead_letters() == []
        synthetic.configure(keys=keys)
        assert broker.handled(name).run == "rush-hour"


class TestSqs(Contract):
    way = Sqs


class TestSnsToSqs(Contract):
    way = Sns


class TestEventBridgeToSqs(Contract):
    way = EventBridge


@pytest.mark.parametrize("way", [Batch, Resource, RawSns])
def test_batches_resources_and_raw_delivery_follow_the_same_rules(way: Any, aws_url: str, keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    broker = way(aws_url)
    with synthetic.simulated(run="rush-hour"):
        token = synthetic.headers()["baggage"]
        broker.send("simulated", "vendor=a%20b;p=1,user=7")
    with synthetic.real():
        broker.send("real", f"user=7,{token}")
    broker.send_raw("forged", [entry(mint(shared_key()))])
    simulated, real = broker.handled("simulated"), broker.handled("real")
    assert (simulated.run, simulated.baggage) == ("rush-hour", f"{token},vendor=a%20b;p=1,user=7")
    assert (real.simulated, real.explicit, real.baggage) == (False, True, "user=7")
    assert broker.refused("forged") == "bad-signature"
