"""AWS Lambda: a function of one record behind a real queue; the tests do what Lambda does between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from synthetic import ledger
from synthetic_awslambda import each_record
from tests.contract.messages import Seen
from tests.integrations.boto3.test_boto3 import Contract, Sns, Sqs
from tests.products.awslambda import EventSource
from tests.products.boto3 import body_of
from tests.support.switches import instrumented


@pytest.fixture(autouse=True)
def on() -> Iterator[None]:
    with instrumented("boto3"):
        yield


def _name_of(record: Any) -> str:
    return body_of({"Body": record["body"]})


def _baggage_on(record: Any) -> str | None:
    if "baggage" in record["messageAttributes"]:
        return str(record["messageAttributes"]["baggage"]["stringValue"])
    inner = json.loads(record["body"]).get("MessageAttributes", {}) if record["body"].startswith("{") else {}
    return inner["baggage"]["Value"] if "baggage" in inner else None


class Function(Sqs):
    """A queue that a function consumes."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.source = EventSource(self.queue.sqs, self.queue.url, self.invoke)

    def invoke(self, event: Any, context: Any) -> Any:
        with ledger.recorded() as outcomes:
            try:
                return each_record(envelopes=self.envelopes)(self.handle)(event, context)
            finally:
                reasons = iter(outcome.reason.value for outcome in outcomes if outcome.reason is not None)
                missing = [_name_of(record) for record in event["Records"] if _name_of(record) not in self.seen]
                self.refusals.update(zip(missing, reasons, strict=True))

    def handle(self, record: Any) -> None:
        name = _name_of(record)
        self.seen[name] = Seen.now(name, _baggage_on(record))

    def consume(self) -> None:
        self.source.poll()


class FunctionBehindSns(Function, Sns):
    """The same, subscribed to a topic."""


class TestSqs(Contract):
    way = Function


class TestSnsToSqs(Contract):
    way = FunctionBehindSns
