"""boto3: what a call that sends, and one that receives, cost more than the bare ones; nothing goes over a wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from opentelemetry.instrumentation.boto3sqs import Boto3SQSInstrumentor
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic_boto3 import admitted
from tests.benchmarks.compared import WORKS, added
from tests.benchmarks.measure import Case, Effort, statement, together
from tests.benchmarks.table import Row
from tests.support.keys import entry, mint, shared_key
from tests.support.switches import instrumented, traced

_BOTOCORE = "OpenTelemetry botocore, no-op tracer"
_SQS = "OpenTelemetry boto3sqs, no-op tracer"

_SEND = "sqs.send_message(QueueUrl='https://sqs/1/rides', MessageBody='ride')"
_PUBLISH = "sns.publish(TopicArn='arn:aws:sns:eu-central-1:1:rides', Message='ride')"
_GET = "s3.head_bucket(Bucket='rides')"
_RECEIVE = """
for message in sqs.receive_message(QueueUrl='https://sqs/1/rides')['Messages']:
    with handling(message):
        pass
"""


def rows(effort: Effort) -> Iterator[Row]:
    """Messages sent and received, and a call to another service; real and simulated."""
    keys = shared_key()
    header = entry(mint(keys))
    with synthetic.configured(keys=keys, internal_hosts=["s3"]):
        for kind, work in WORKS.items():
            yield _row("SQS, send_message", kind, _SQS, _SEND, work, effort)
            yield _row("SQS, send_message", kind, _BOTOCORE, _SEND, work, effort)
            yield _row("SNS, publish", kind, _BOTOCORE, _PUBLISH, work, effort)
            yield _row("S3, head_bucket", kind, _BOTOCORE, _GET, work, effort)
            received = header if kind == "simulated" else None
            yield _row("SQS, receive and handle", kind, _SQS, _RECEIVE, nullcontext, effort, received)


def _row(
    what: str, kind: str, peer: str, code: str, work: Callable[[], Any], effort: Effort, received: str | None = None
) -> Row:
    def case(installed: Callable[[], Any] = nullcontext, handling: Any = lambda message: nullcontext()) -> Case:
        clients: dict[str, Any] = {}

        def run(number: int) -> float:
            return statement(code, handling=handling, **clients)(number)

        def connected() -> AbstractContextManager[None]:
            if not clients:  # OpenTelemetry's instrumentation for SQS covers clients that are made while it is on
                clients.update({name: _client(name, received) for name in ("sqs", "sns", "s3") if name in code})
            return nullcontext()

        return Case(run, together(work, installed, connected), number=20, warm=30)

    instrumentor = Boto3SQSInstrumentor if peer is _SQS else BotocoreInstrumentor
    theirs = partial(traced, instrumentor, tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    cases = {"bare": case(), "ours": case(partial(instrumented, "boto3"), admitted), "peer": case(theirs)}
    return added(f"boto3, {what}", kind, peer, cases, effort.rounds // 4)


def _client(service: str, received: str | None) -> Any:
    """A client whose requests are answered at once and not signed, so that only its own work is measured."""
    config = Config(signature_version=UNSIGNED)
    client: Any = boto3.Session().client(  # type: ignore[call-overload]
        service, endpoint_url=f"http://{service}", region_name="eu-central-1", config=config
    )
    client._endpoint.http_session = SimpleNamespace(send=lambda request: _ANSWERS[service](received))
    return client


def _answer(body: str) -> Any:
    return SimpleNamespace(status_code=200, headers={}, content=body.encode(), raw=None, text=body)


def _by_sqs(received: str | None) -> Any:
    attribute = f'{{"DataType": "String", "StringValue": "{received}"}}'
    attributes = "" if received is None else f', "MessageAttributes": {{"baggage": {attribute}}}'
    return _answer(f'{{"Messages": [{{"MessageId": "1", "ReceiptHandle": "1", "Body": "ride"{attributes}}}]}}')


_ANSWERS: dict[str, Callable[[str | None], Any]] = {
    "sqs": _by_sqs,
    "sns": lambda _: _answer("<PublishResponse><PublishResult/></PublishResponse>"),
    "s3": lambda _: _answer(""),
}
