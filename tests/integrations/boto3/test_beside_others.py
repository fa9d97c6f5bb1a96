"""boto3 beside what else is instrumented, below it and by OpenTelemetry: one marker, in the message alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import combinations
from typing import Any

import boto3
import pytest
from opentelemetry import baggage, context
from opentelemetry.instrumentation.boto3sqs import Boto3SQSInstrumentor
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.propagate import get_global_textmap
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic import ledger
from synthetic_boto3 import ExternalRequestRefused, admitted
from tests.products.boto3 import ACCOUNT, Queue, attribute, attributes_sent, baggage_on, client_of, sent
from tests.support.clients import OURS, THEIRS, has_no_marker, token_of
from tests.support.recording_server import RecordingServer
from tests.support.switches import by_opentelemetry, instrumented

BELOW = ("urllib3", "http-client")
SUBSETS = [subset for size in range(3) for subset in combinations(BELOW, size)]

INSTRUMENTORS: dict[str, Callable[[], Any]] = {
    "botocore": BotocoreInstrumentor,
    "boto3sqs": Boto3SQSInstrumentor,
    "urllib3": URLLib3Instrumentor,
}
CONTRIB = [subset for size in range(4) for subset in combinations(INSTRUMENTORS, size)]


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    with ExitStack() as undo:
        yield undo


def _switch_on(undo: ExitStack, ours: tuple[str, ...], theirs: tuple[str, ...], *, first: str) -> None:
    def on_theirs() -> None:
        for name in theirs:
            instrumentor = INSTRUMENTORS[name]()
            instrumentor.instrument(tracer_provider=NoOpTracerProvider())
            undo.callback(instrumentor.uninstrument)

    def on_ours() -> None:
        synthetic.instrument("boto3", *ours)
        undo.callback(synthetic.uninstrument, "boto3", *ours)

    for switch_on in (on_ours, on_theirs) if first == "ours" else (on_theirs, on_ours):
        switch_on()


def _client(service: str, url: str) -> Any:
    """By the session: that is where OpenTelemetry's instrumentation for SQS waits for clients."""
    return boto3.Session().client(service, endpoint_url=url, **ACCOUNT)  # type: ignore[call-overload]


@pytest.mark.parametrize("first", ["ours", "theirs"])
@pytest.mark.parametrize("theirs", CONTRIB)
def test_a_message_has_one_marker_and_its_http_request_has_none(
    server: RecordingServer, undo: ExitStack, first: str, theirs: tuple[str, ...]
) -> None:
    server.answers["/"] = sent
    _switch_on(undo, BELOW, theirs, first=first)
    sqs, sns = (_client(service, server.url(host=THEIRS)) for service in ("sqs", "sns"))
    with ledger.recorded() as outcomes, synthetic.simulated(run="rush-hour"):
        ours = synthetic.headers()["baggage"]
        attached = context.attach(baggage.set_baggage("tenant", "7"))
        try:
            sqs.send_message(QueueUrl="https://sqs.example/1/rides", MessageBody="ride")
            sns.publish(TopicArn="arn:aws:sns:eu-central-1:1:rides", Message="ride")
        finally:
            context.detach(attached)
    assert all(has_no_marker(request) for request in server.requests)
    assert not outcomes
    by_sqs, by_sns = server.requests
    for request in (by_sqs, by_sns):
        assert attributes_sent(request)["baggage"].split(",")[0] == ours
        assert request.body.count(b"synthetic-traffic") == 1
    if "boto3sqs" in theirs:
        assert attributes_sent(by_sqs)["baggage"] == f"{ours},tenant=7"


@pytest.mark.parametrize("first", ["ours", "theirs"])
@pytest.mark.parametrize("theirs", CONTRIB)
def test_a_message_is_received_with_the_verdict_that_it_was_sent_with(
    aws_url: str, undo: ExitStack, first: str, theirs: tuple[str, ...]
) -> None:
    queue = Queue(aws_url)
    _switch_on(undo, BELOW, theirs, first=first)
    sqs = _client("sqs", aws_url)
    with synthetic.simulated(run="rush-hour"):
        sqs.send_message(QueueUrl=queue.url, MessageBody="simulated")
        entries = [{"Id": "1", "MessageBody": "simulated"}]
        sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
    with synthetic.real():
        sqs.send_message(QueueUrl=queue.url, MessageBody="real", **attribute("user=7"))
    seen: list[tuple[str, str | None]] = []
    while len(seen) < 3:
        for message in sqs.receive_message(QueueUrl=queue.url).get("Messages", []):
            with admitted(message) as marker:
                seen.append((message["Body"], marker and marker.run))
                if message["Body"] == "real":
                    assert baggage_on(message) == "user=7"
            sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
    assert sorted(seen, key=str) == [("real", None), ("simulated", "rush-hour"), ("simulated", "rush-hour")]


@pytest.mark.parametrize("below", SUBSETS)
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_every_other_call_is_decided_once(
    server: RecordingServer, undo: ExitStack, keys: dict[str, Any], below: tuple[str, ...], first: str
) -> None:
    _switch_on(undo, below, ("botocore", "urllib3"), first=first)
    path = {"addressing_style": "path"}
    inside, outside = (client_of("s3", server.url(host=host), s3=path) for host in (OURS, THEIRS))
    with synthetic.simulated(run="rush-hour"), ledger.recorded() as outcomes:
        inside.get_object(Bucket="rides", Key="7")
        with pytest.raises(ExternalRequestRefused):
            outside.get_object(Bucket="rides", Key="7")
        token_of(server.only)
        synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
        outside.get_object(Bucket="rides", Key="7")
    assert has_no_marker(server.requests[1])
    assert [outcome.action for outcome in outcomes] == ["refuse", "allow"]


def test_a_propagator_for_every_call_does_not_write_the_marker(
    server: RecordingServer, undo: ExitStack, keys: dict[str, Any]
) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
    server.answers["/"] = sent
    instrumentor = BotocoreInstrumentor()
    instrumentor.instrument(tracer_provider=NoOpTracerProvider(), propagator=get_global_textmap())
    undo.callback(instrumentor.uninstrument)
    synthetic.instrument("boto3")
    undo.callback(synthetic.uninstrument, "boto3")
    sqs, s3 = (client_of(service, server.url(host=THEIRS)) for service in ("sqs", "s3"))
    with synthetic.simulated(run="rush-hour"):
        sqs.send_message(QueueUrl="https://sqs.example/1/rides", MessageBody="ride")
        s3.get_object(Bucket="rides", Key="7")
        client_of("s3", server.url()).get_object(Bucket="rides", Key="7")
    message, outside, inside = server.requests
    assert has_no_marker(message)
    assert has_no_marker(outside)
    token_of(inside)


@pytest.mark.parametrize("order", ["inside", "outside"])
def test_attributes_that_are_kept_carry_no_marker_of_earlier_work(aws_url: str, order: str) -> None:
    kept = {"tenant": {"DataType": "String", "StringValue": "7"}}
    before = dict(kept)
    with ExitStack() as undo:
        if order == "outside":
            undo.enter_context(instrumented("boto3"))
        undo.enter_context(by_opentelemetry(BotocoreInstrumentor))
        if order == "inside":
            undo.enter_context(instrumented("boto3"))
        queue = Queue(aws_url)

        def send() -> None:
            queue.sqs.send_message(QueueUrl=queue.url, MessageBody="ride", MessageAttributes=kept)

        send()
        with synthetic.simulated(run="rush-hour"):
            send()
        assert kept == before
        send()
        assert [bool(baggage_on(message)) for message in queue.received()] == [False, True, False]
