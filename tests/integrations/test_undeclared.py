"""``undeclared="refuse"``: a process that only simulates sends nothing on which nobody has decided, by any client."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import arq.connections
import boto3
import confluent_kafka
import dramatiq
import pytest
import redis
from aiokafka.producer.message_accumulator import BatchBuilder  # type: ignore[import-untyped]
from aiormq import Channel as AioPikaChannel
from celery import Celery
from dramatiq.brokers.stub import StubBroker
from nats.aio.client import Client as NatsClient
from opentelemetry import context
from pika.channel import Channel
from rq.job import Job

import synthetic
from synthetic._egress.failure import go_on_after
from synthetic.errors import SyntheticTrafficError, UndeclaredWork
from synthetic.integration import beside_message, depart, dispatch
from synthetic_dramatiq import SyntheticTrafficMiddleware
from tests.products import aiohttp, http_client, requests, urllib3
from tests.products.grpc.clients import aio_client, sync_client
from tests.products.grpc.servers import Recording
from tests.products.httpx import product
from tests.support.keys import entry, mint
from tests.support.recording_server import RecordingServer
from tests.support.switches import instrumented

Keys = dict[str, Any]

HTTP: dict[str, tuple[str, Callable[[str, dict[str, str]], Any]]] = {
    "aiohttp": (aiohttp.NAME, aiohttp.get),
    "http.client": (http_client.NAME, http_client.get_by_connection),
    "urllib.request": (http_client.NAME, http_client.get),
    "requests": (requests.NAME, requests.get),
    "urllib3": (urllib3.NAME, urllib3.get),
    **{
        f"{name}{kind}": (name, getattr(product(name), f"get{kind}"))
        for name in ("httpx", "httpx2")
        if find_spec(name) is not None
        for kind in ("", "_async")
    },
}


@pytest.fixture(autouse=True)
def _refusing(keys: Keys) -> None:
    synthetic.configure(keys=keys, undeclared="refuse", internal_hosts=["127.0.0.1", "localhost"])


@pytest.fixture(scope="module")
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


@pytest.mark.parametrize("name", HTTP)
def test_an_http_call_on_which_nobody_decided_is_not_sent(name: str, server: RecordingServer) -> None:
    kind, get = HTTP[name]
    server.requests.clear()
    with instrumented(kind):
        with pytest.raises(UndeclaredWork):
            get(server.url(), {})
        assert not server.requests
        with synthetic.real():
            get(server.url(), {})
        with synthetic.simulated(run="peak"):
            get(server.url(), {})
    assert [bool(one.values("baggage")) for one in server.requests] == [False, True]


@pytest.mark.parametrize("name", HTTP)
def test_an_exporter_of_telemetry_is_not_refused(name: str, server: RecordingServer) -> None:
    kind, get = HTTP[name]
    server.requests.clear()
    names = {"__name__": "opentelemetry.exporter.ours", "get": get, "url": server.url()}
    with instrumented(kind):
        exec("def export(): get(url, {})", names)
        names["export"]()  # type: ignore[operator]
    assert len(server.requests) == 1


@pytest.mark.parametrize("client", [sync_client, aio_client])
def test_a_grpc_call_on_which_nobody_decided_is_not_sent(client: Any) -> None:
    with Recording() as server, instrumented("grpc"), client(server.target()) as channel:
        for kind in ("unary_unary", "unary_stream", "stream_unary", "stream_stream"):
            with pytest.raises(UndeclaredWork):
                channel.call(kind)
        assert not server.requests
        with synthetic.real():
            channel.call()
        with synthetic.simulated(run="peak"):
            channel.call()
        assert [bool(one.values("baggage")) for one in server.requests] == [False, True]


def _celery() -> None:
    app = Celery("undeclared", broker="memory://", backend="cache+memory://", set_as_current=False)
    try:
        app.send_task("ride")
    finally:
        app.close()


def _dramatiq(*middleware: Any) -> None:
    broker = StubBroker()
    for one in middleware:
        broker.add_middleware(one)
    broker.declare_queue("default")
    try:
        broker.enqueue(dramatiq.Message("default", "ride", (), {}, {}))
    finally:
        assert broker.queues["default"].empty()


def _rq() -> None:
    Job.create(print, connection=redis.Redis(port=1)).to_dict()


def _confluent_kafka(batch: bool = False) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": "127.0.0.1:1"})
    if batch:
        producer.produce_batch("rides", [{"value": b"ride"}])
    else:
        producer.produce("rides", b"ride")


def _boto3(name: str, method: str, **arguments: Any) -> None:
    client = boto3.client(  # type: ignore[call-overload, unused-ignore]
        name,
        endpoint_url="http://127.0.0.1:1",
        region_name="eu-west-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    getattr(client, method)(**arguments)


_QUEUE: dict[str, Any] = {"QueueUrl": "http://127.0.0.1:1/queue"}
_TOPIC = "arn:aws:sns:eu-west-1:1:rides"
MESSAGES: dict[str, tuple[str, Callable[[], Any]]] = {
    "aio-pika": ("aio-pika", lambda: asyncio.run(AioPikaChannel.basic_publish(None, b""))),  # type: ignore[arg-type]
    "aiokafka": ("aiokafka", lambda: BatchBuilder.append(None, timestamp=None, key=None, value=b"")),
    "arq": ("arq", lambda: vars(arq.connections)["serialize_job"]("ride", (), {}, None, 0)),
    "boto3, SNS": (
        "boto3",
        partial(_boto3, "sns", "publish", TopicArn=_TOPIC, Message="ride"),
    ),
    "boto3, SQS": ("boto3", partial(_boto3, "sqs", "send_message", **_QUEUE, MessageBody="ride")),
    "boto3, SQS, receive": ("boto3", partial(_boto3, "sqs", "receive_message", **_QUEUE)),
    "celery": ("celery", _celery),
    "confluent-kafka": ("confluent-kafka", _confluent_kafka),
    "confluent-kafka, batch": ("confluent-kafka", partial(_confluent_kafka, True)),
    "dramatiq": ("dramatiq", _dramatiq),
    "nats": ("nats", lambda: asyncio.run(NatsClient.publish(None, "rides"))),  # type: ignore[arg-type]
    "pika": ("pika", lambda: Channel.basic_publish(None, "", "rides", b"ride")),  # type: ignore[arg-type, unused-ignore]
    "rq": ("rq", _rq),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_on_which_nobody_decided_is_not_sent(name: str) -> None:
    kind, send = MESSAGES[name]
    with instrumented(kind), pytest.raises(UndeclaredWork):
        send()


def test_a_broker_of_dramatiq_with_our_middleware_alone_sends_no_such_message() -> None:
    with pytest.raises(UndeclaredWork):
        _dramatiq(SyntheticTrafficMiddleware())


def test_a_subprocess_is_no_call_and_starts() -> None:
    with instrumented("concurrency"):
        assert subprocess.run([sys.executable, "-c", ""], check=True).returncode == 0


def test_what_a_call_is_asked_for_says_who_it_belongs_to(keys: Keys) -> None:
    for ask in (partial(depart, "//127.0.0.1", None), partial(dispatch, None), partial(beside_message, "//127.0.0.1")):
        with pytest.raises(UndeclaredWork):
            ask()
        attached = context.attach(context.set_value("span", "any"))
        try:
            with pytest.raises(UndeclaredWork):
                ask()
        finally:
            context.detach(attached)
        with synthetic.real():
            ask()
        with synthetic.simulated(run="peak"):
            ask()
    with pytest.raises(UndeclaredWork):
        synthetic.headers()
    with synthetic.real():
        assert synthetic.headers() == {}
    marker = entry(mint(keys))
    assert depart("//127.0.0.1", marker).header == dispatch(marker).header == marker  # the caller's own
    for foreign in ("user=7", ""):
        with pytest.raises(UndeclaredWork):
            depart("//127.0.0.1", foreign)
        with pytest.raises(UndeclaredWork):
            dispatch(foreign)


def test_a_call_on_which_nobody_decided_is_not_sent_after_a_failure_of_ours_either() -> None:
    with pytest.raises(AttributeError):
        go_on_after(AttributeError("moved"), "as it is")
    with synthetic.real():
        assert go_on_after(AttributeError("moved"), "as it is") == "as it is"
    synthetic.configure(undeclared="real")
    assert go_on_after(AttributeError("moved"), "as it is") == "as it is"


def test_the_error_says_what_to_do_and_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(UndeclaredWork()))
    assert isinstance(error, SyntheticTrafficError)
    assert "synthetic.simulated(...)" in str(error)
    assert "synthetic.real()" in str(error)


def test_by_default_such_calls_are_real(keys: Keys, server: RecordingServer) -> None:
    synthetic.configure(keys=keys)
    server.requests.clear()
    with instrumented("requests"):
        requests.get(server.url(), {})
    assert len(server.requests) == 1
    assert synthetic.headers() == {}
