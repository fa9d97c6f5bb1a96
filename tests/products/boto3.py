"""boto3: clients, and the queues, topics and buses of moto's server that they send to."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import parse_qs
from uuid import uuid4

import boto3
from botocore.config import Config

from tests.contract.messages import eventually, in_a_bare_thread
from tests.support import brokers
from tests.support.recording_server import Answer, Recorded

needs = brokers.aws

ACCOUNT = {
    "aws_access_key_id": "testing",
    "aws_secret_access_key": "testing",
    "region_name": "eu-central-1",
}


def client_of(service: str, url: str | None, **config: Any) -> Any:
    """A new client; without a URL one of AWS itself."""
    return boto3.client(service, endpoint_url=url, config=Config(**config), **ACCOUNT)  # type: ignore[call-overload]


def contrib() -> None:
    """Switch on OpenTelemetry's instrumentations."""
    from opentelemetry.instrumentation.boto3sqs import Boto3SQSInstrumentor
    from opentelemetry.instrumentation.botocore import BotocoreInstrumentor

    BotocoreInstrumentor().instrument()
    Boto3SQSInstrumentor().instrument()


@lru_cache
def shared_client(service: str, url: str) -> Any:
    """A client for many tests, made before they switch anything on. Making one takes long."""
    return client_of(service, url)


@lru_cache
def shared_resource(url: str) -> Any:
    """SQS with objects for queues and messages."""
    return boto3.resource("sqs", endpoint_url=url, **ACCOUNT)


def body_of(message: Any) -> str:
    """The text of a message that came directly, over SNS or over EventBridge."""
    body: str = message["Body"]
    if not body.startswith("{"):
        return body
    document = json.loads(body)
    text: str = document["Message"] if "Message" in document else document["detail"]["ride"]
    return text


def baggage_on(message: Any) -> str | None:
    """The ``baggage`` of a message, as a reader of AWS's documentation would find it."""
    if "baggage" in message.get("MessageAttributes", {}):
        return str(message["MessageAttributes"]["baggage"]["StringValue"])
    if not message["Body"].startswith("{"):
        return None
    document = json.loads(message["Body"])
    attributes = document.get("MessageAttributes", {})
    detail = document.get("detail", {})
    return attributes["baggage"]["Value"] if "baggage" in attributes else detail.get("baggage")


class Queue:
    """A queue whose messages come again at once. After two receives, they are in its dead-letter queue."""

    def __init__(self, url: str, *, receives: int = 2, fifo: bool = False, visible_after: int = 0) -> None:
        self.endpoint = url
        self.sqs = shared_client("sqs", url)
        end = ".fifo" if fifo else ""
        kind = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {}
        self.dead = self.sqs.create_queue(QueueName=f"dead-{uuid4().hex}{end}", Attributes=kind)["QueueUrl"]
        redrive = {"deadLetterTargetArn": self.arn_of(self.dead), "maxReceiveCount": receives}
        attributes = {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": str(visible_after), **kind}
        self.name = f"rides-{uuid4().hex}{end}"
        self.url = self.sqs.create_queue(QueueName=self.name, Attributes=attributes)["QueueUrl"]
        self.arn = self.arn_of(self.url)

    def arn_of(self, url: str) -> str:
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        return str(attributes["QueueArn"])

    def put(self, body: str, baggage: str | None = None) -> None:
        """Send a message without this library."""
        in_a_bare_thread(lambda: self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **attribute(baggage)))

    def received(self, url: str | None = None, **parameters: Any) -> list[Any]:
        found = self.sqs.receive_message(QueueUrl=url or self.url, MaxNumberOfMessages=10, **parameters)
        messages: list[Any] = found.get("Messages", [])
        return messages

    def delete(self, message: Any, url: str | None = None) -> None:
        self.sqs.delete_message(QueueUrl=url or self.url, ReceiptHandle=message["ReceiptHandle"])

    def only(self) -> Any:
        """The one message that the queue holds; it is taken out."""
        (message,) = eventually(lambda: self.received(MessageAttributeNames=["All"]) or None)
        self.delete(message)
        assert not self.received()
        return message

    def is_empty(self) -> bool:
        return not self.received()

    def dead_letters(self) -> list[str]:
        """The texts of the messages that are dead; they are taken out."""
        messages = self.received(self.dead)
        for message in messages:
            self.delete(message, self.dead)
        return [body_of(message) for message in messages]


def attribute(baggage: str | None) -> dict[str, Any]:
    """The parameter of a message with this ``baggage``."""
    if baggage is None:
        return {}
    return {"MessageAttributes": {"baggage": {"DataType": "String", "StringValue": baggage}}}


Envelopes = tuple[Literal["sns", "eventbridge"], ...]

Send = Callable[[str, str | None], Any]
"""Send a text with this ``baggage``, or with none, so that it arrives at a queue."""


def to_sqs(queue: Queue) -> Send:
    """To the queue itself."""
    return lambda body, baggage: queue.sqs.send_message(QueueUrl=queue.url, MessageBody=body, **attribute(baggage))


def to_sns(queue: Queue) -> Send:
    """To a topic that delivers to the queue."""
    sns = shared_client("sns", queue.endpoint)
    topic = subscribed_topic(queue, raw=False)
    return lambda body, baggage: sns.publish(TopicArn=topic, Message=body, **attribute(baggage))


def subscribed_topic(queue: Queue, *, raw: bool) -> str:
    """A topic that delivers to the queue."""
    sns = shared_client("sns", queue.endpoint)
    topic = str(sns.create_topic(Name=f"rides-{uuid4().hex}")["TopicArn"])
    options = {"RawMessageDelivery": "true"} if raw else {}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes=options)
    return topic


def to_bridge(queue: Queue) -> Send:
    """To a bus of EventBridge that delivers every event to the queue."""
    events = shared_client("events", queue.endpoint)
    bus = f"rides-{uuid4().hex}"
    events.create_event_bus(Name=bus)
    events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["rides"]}), State="ENABLED")
    events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "1", "Arn": queue.arn}])

    def send(body: str, baggage: str | None) -> None:
        detail = {"ride": body, **({} if baggage is None else {"baggage": baggage})}
        entry = {"Source": "rides", "DetailType": "booked", "Detail": json.dumps(detail), "EventBusName": bus}
        assert not events.put_events(Entries=[entry])["FailedEntryCount"]

    return send


def sent(request: Recorded) -> Answer:
    """What AWS answers to a message for SQS or SNS: in JSON, or to clients that speak the older protocol in XML."""
    if "json" in request.values("content-type")[0]:
        return Answer(body=b'{"MessageId": "1"}')
    (action,) = parse_qs(request.body.decode())["Action"]
    text = f"<{action}Response><{action}Result><MessageId>1</MessageId></{action}Result></{action}Response>"
    return Answer(headers=(("Content-Type", "text/xml"),), body=text.encode())


def attributes_sent(request: Recorded) -> dict[str, str]:
    """The attributes of the message that a request brought, in either protocol."""
    if "json" in request.values("content-type")[0]:
        given = json.loads(request.body)["MessageAttributes"]
        return {name: attribute["StringValue"] for name, attribute in given.items()}
    fields = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    names = [name for name in fields if name.endswith(".Name")]
    return {fields[name]: fields[name.replace(".Name", ".Value.StringValue")] for name in names}
