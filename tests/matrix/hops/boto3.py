"""boto3: producers for SQS, SNS and EventBridge, and an SQS consumer that handles a message or leaves it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import synthetic
from synthetic_boto3 import admitted
from tests.contract.messages import eventually
from tests.integrations.boto3.queues import (
    Queue,
    attribute,
    baggage_on,
    forwarding_bus,
    shared_client,
    subscribed_topic,
)
from tests.matrix.cases import Case, Hop, judged, seen

Send = Callable[[str | None], Any]


def _to_sqs(url: str, queue: Queue) -> Send:
    sqs = shared_client("sqs", url)
    return lambda baggage: sqs.send_message(QueueUrl=queue.url, MessageBody="ride", **attribute(baggage))


def _to_sns(url: str, queue: Queue) -> Send:
    sns = shared_client("sns", url)
    topic = subscribed_topic(url, queue, raw=False)
    return lambda baggage: sns.publish(TopicArn=topic, Message="ride", **attribute(baggage))


def _to_bridge(url: str, queue: Queue) -> Send:
    events = shared_client("events", url)
    bus = forwarding_bus(url, queue)

    def send(baggage: str | None) -> None:
        detail = {"ride": "7", **({} if baggage is None else {"baggage": baggage})}
        entry = {"Source": "rides", "DetailType": "booked", "Detail": json.dumps(detail), "EventBusName": bus}
        events.put_events(Entries=[entry])

    return send


def _out(to: Callable[[str, Queue], Send]) -> Callable[[Case, str], str]:
    def pass_on(case: Case, url: str) -> str:
        synthetic.instrument("boto3")
        queue = Queue(url)
        send = to(url, queue)
        try:
            with case.work() as baggage:
                send(baggage)
        except synthetic.UnverifiedMarker:
            assert queue.is_empty()
            return "refused"
        header = baggage_on(queue.only())
        return judged([] if header is None else [header])

    return pass_on


def _in(case: Case, url: str) -> str:
    synthetic.instrument("boto3")
    queue = Queue(url)
    queue.put("ride", case.joined())
    (message,) = eventually(lambda: queue.received() or None)
    try:
        with admitted(message):
            return seen()
    except synthetic.MessageRefused:
        assert eventually(lambda: _dead(queue)) == ["ride"]
        return "refused"


def _dead(queue: Queue) -> list[str] | None:
    queue.received()  # an undeleted message comes again, until it is a dead letter
    return queue.dead_letters() or None


def _contrib() -> None:
    from opentelemetry.instrumentation.boto3sqs import Boto3SQSInstrumentor
    from opentelemetry.instrumentation.botocore import BotocoreInstrumentor

    BotocoreInstrumentor().instrument()
    Boto3SQSInstrumentor().instrument()


HOPS: list[Hop] = [
    Hop("boto3, SQS, send", "boto3", _out(_to_sqs), {"contrib": _contrib}, brokers=("aws",)),
    Hop("boto3, SNS, publish", "boto3", _out(_to_sns), {"contrib": _contrib}, brokers=("aws",)),
    Hop("boto3, EventBridge, put", "boto3", _out(_to_bridge), {"contrib": _contrib}, brokers=("aws",)),
    Hop("boto3, SQS, receive", "boto3", _in, {"contrib": _contrib}, brokers=("aws",)),
]
