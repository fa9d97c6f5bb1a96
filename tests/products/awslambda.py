"""AWS Lambda: events as AWS documents them, a queue's event source, and functions that OpenTelemetry instruments."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import uuid4

Event = dict[str, Any]

CONTEXT: Any = SimpleNamespace(
    function_name="rides",
    function_version="$LATEST",
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:rides",
    memory_limit_in_mb=128,
    aws_request_id="7a5f3c1e-3f51-4d2f-9f6e-0c2b2a1d4e55",
    log_group_name="/aws/lambda/rides",
    log_stream_name="2026/01/01/[$LATEST]1",
)
"""The second argument of a function."""


def contrib(handler: str) -> None:
    """Switch on OpenTelemetry's instrumentation for the function with this name, ``"module.function"``."""
    from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    os.environ |= {"AWS_LAMBDA_FUNCTION_NAME": "rides", "_HANDLER": handler}
    tracers = TracerProvider(shutdown_on_exit=False)
    AwsLambdaInstrumentor().instrument(tracer_provider=tracers, meter_provider=MeterProvider(shutdown_on_exit=False))


@contextmanager
def module_with(function: Callable[..., Any]) -> Iterator[ModuleType]:
    """A module ``rides_function`` whose ``handler`` is this function: OpenTelemetry patches it there."""
    module = sys.modules["rides_function"] = ModuleType("rides_function")
    vars(module)["handler"] = function
    try:
        yield module
    finally:
        del sys.modules["rides_function"]


# HTTP, with the values of the ``baggage`` header in order


def gateway_v1(baggage: Sequence[str] = (), method: str = "GET") -> Event:
    """API Gateway, REST or payload format 1.0: every header twice, the last value and all values."""
    return {
        "resource": "/rides",
        "path": "/rides",
        "httpMethod": method,
        "headers": {"Accept": "*/*", **({"Baggage": baggage[-1]} if baggage else {})},
        "multiValueHeaders": {"Accept": ["*/*"], **({"Baggage": list(baggage)} if baggage else {})},
        "queryStringParameters": None,
        "requestContext": {"resourcePath": "/rides", "httpMethod": method, "stage": "prod", "requestId": "1"},
        "body": None,
        "isBase64Encoded": False,
    }


def gateway_v2(baggage: Sequence[str] = (), method: str = "GET") -> Event:
    """API Gateway, payload format 2.0: names in lower case, values joined."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/rides",
        "rawQueryString": "",
        "headers": {"accept": "*/*", **({"baggage": ",".join(baggage)} if baggage else {})},
        "requestContext": {
            "apiId": "api",
            "domainName": "api.execute-api.eu-central-1.amazonaws.com",
            "http": {"method": method, "path": "/rides", "protocol": "HTTP/1.1", "userAgent": "agent"},
            "requestId": "1",
        },
        "isBase64Encoded": False,
    }


def function_url(baggage: Sequence[str] = (), method: str = "GET") -> Event:
    """A function's own URL: format 2.0 as well."""
    event = gateway_v2(baggage, method)
    event["requestContext"]["domainName"] = "rides.lambda-url.eu-central-1.on.aws"
    return event


def balancer(baggage: Sequence[str] = (), method: str = "GET") -> Event:
    """An ALB: one value of a header, the last."""
    return {
        "requestContext": {
            "elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/rides/1"}
        },
        "httpMethod": method,
        "path": "/rides",
        "queryStringParameters": {},
        "headers": {"accept": "*/*", **({"baggage": baggage[-1]} if baggage else {})},
        "body": "",
        "isBase64Encoded": False,
    }


def balancer_multi(baggage: Sequence[str] = (), method: str = "GET") -> Event:
    """An ALB whose target group has multi-value headers on: those alone."""
    event = balancer((), method)
    del event["headers"]
    return {**event, "multiValueHeaders": {"accept": ["*/*"], **({"baggage": list(baggage)} if baggage else {})}}


def lattice(baggage: Sequence[str] = (), method: str = "GET") -> Event:
    """VPC Lattice, event structure version 2.0."""
    return {
        "version": "2.0",
        "path": "/rides",
        "method": method,
        "headers": {"accept": ["*/*"], **({"baggage": list(baggage)} if baggage else {})},
        "requestContext": {"serviceNetworkArn": "arn:aws:vpc-lattice:eu-central-1:1:servicenetwork/sn-1"},
    }


GATEWAYS: dict[str, Callable[..., Event]] = {
    "API Gateway 1.0": gateway_v1,
    "API Gateway 2.0": gateway_v2,
    "function URL": function_url,
    "ALB": balancer,
    "ALB, multi-value": balancer_multi,
    "VPC Lattice": lattice,
}


# Records and events, with one ``baggage`` or none


def sqs_record(body: str, baggage: str | None = None, *, group: str | None = None, id_: str | None = None) -> Event:
    """One message of SQS in an event of Lambda."""
    attribute = {"stringValue": baggage, "stringListValues": [], "binaryListValues": [], "dataType": "String"}
    return {
        "messageId": id_ or uuid4().hex,
        "receiptHandle": "handle",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", **({"MessageGroupId": group} if group else {})},
        "messageAttributes": {} if baggage is None else {"baggage": attribute},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:rides",
        "awsRegion": "eu-central-1",
    }


def sqs(*records: Event) -> Event:
    """A batch of SQS."""
    return {"Records": list(records)}


def notification(body: str, baggage: str | None = None) -> Event:
    """A message as SNS delivers it, which is the body in a queue that subscribed without raw delivery."""
    attributes = {} if baggage is None else {"baggage": {"Type": "String", "Value": baggage}}
    return {"Type": "Notification", "MessageId": "1", "Message": body, "MessageAttributes": attributes}


def sns(body: str, baggage: str | None = None) -> Event:
    """SNS invokes with one notification."""
    record = {"EventVersion": "1.0", "EventSource": "aws:sns", "Sns": notification(body, baggage)}
    return {"Records": [record]}


def bridge(body: str, baggage: str | None = None) -> Event:
    """An event of EventBridge."""
    detail = {"ride": body, **({} if baggage is None else {"baggage": baggage})}
    return {"version": "0", "id": "1", "detail-type": "booked", "source": "rides", "resources": [], "detail": detail}


def kafka(*values: tuple[str, str | None]) -> Event:
    """Records of Kafka: headers are lists of numbers, signed as Java has them."""

    def record(value: str, baggage: str | None) -> Event:
        signed = [(byte ^ 0x80) - 0x80 for byte in (baggage or "").encode("latin-1")]
        return {"topic": "rides", "value": value, "headers": [] if baggage is None else [{"baggage": signed}]}

    return {"eventSource": "aws:kafka", "records": {"rides-0": [record(value, header) for value, header in values]}}


def rabbitmq(*values: tuple[str, str | None]) -> Event:
    """Messages of RabbitMQ: headers are bytes in a mapping."""

    def message(value: str, baggage: str | None) -> Event:
        headers = {} if baggage is None else {"baggage": {"bytes": list(baggage.encode("latin-1"))}}
        return {"basicProperties": {"headers": headers}, "data": value}

    return {"eventSource": "aws:rmq", "rmqMessagesByQueue": {"rides::/": [message(*value) for value in values]}}


class EventSource:
    """Does what Lambda does between a queue and a function, with partial batch responses on."""

    def __init__(self, client: Any, url: str, function: Callable[[Any, Any], Any]) -> None:
        self._client = client
        self._url = url
        self._function = function

    def poll(self) -> None:
        """Invoke the function with the messages of the queue; delete those that it handled."""
        parameters = {"MessageAttributeNames": ["All"], "MaxNumberOfMessages": 10}
        messages = self._client.receive_message(QueueUrl=self._url, **parameters).get("Messages", [])
        if not messages:
            return
        event = json.loads(json.dumps(sqs(*(self._record(message) for message in messages))))
        try:
            response = self._function(event, CONTEXT)
        except Exception:
            return  # all of them come again
        failed = {item["itemIdentifier"] for item in (response or {}).get("batchItemFailures", [])}
        for message in messages:
            if message["MessageId"] not in failed:
                self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

    @staticmethod
    def _record(message: Any) -> Event:
        attribute = message.get("MessageAttributes", {}).get("baggage")
        header = attribute and attribute["StringValue"]
        return sqs_record(message["Body"], header, id_=message["MessageId"])
