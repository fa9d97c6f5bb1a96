"""boto3 instrumented: what it does with what the caller gives it, its limits, and every service that is no broker."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from boto3.exceptions import ResourceLoadException
from botocore.client import BaseClient
from botocore.credentials import CredentialResolver, RefreshableCredentials
from botocore.endpoint import Endpoint
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.stub import Stubber
from botocore.tokens import DeferredRefreshableToken

import synthetic
from synthetic import ledger
from synthetic.errors import ConfigurationError
from synthetic_boto3 import ExternalRequestRefused, NoRoomForMarker, admitted, cover
from tests.products.boto3 import (
    Queue,
    attribute,
    baggage_on,
    client_of,
    sent,
    shared_client,
    shared_resource,
)
from tests.support.clients import OURS, THEIRS, claims_of, has_no_marker, token_of
from tests.support.recording_server import Answer, Recorded, RecordingServer
from tests.support.switches import instrumented

FULL = {f"fact{number}": {"DataType": "Number", "StringValue": "7"} for number in range(10)}


@pytest.fixture(autouse=True)
def on(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])
    with instrumented("boto3"):
        yield


@pytest.fixture
def queue(aws_url: str) -> Queue:
    return Queue(aws_url)


# What the caller gives, and its limits


def test_the_callers_own_parameters_are_not_changed(queue: Queue) -> None:
    attributes = {"baggage": {"DataType": "String", "StringValue": "user=7"}}
    entries = [{"Id": "1", "MessageBody": "ride"}, {"Id": "2", "MessageBody": "ride", "MessageAttributes": attributes}]
    names = ["tenant"]
    before = copy.deepcopy((attributes, entries, names))
    with synthetic.simulated(run="rush-hour"):
        queue.sqs.send_message(QueueUrl=queue.url, MessageBody="ride", MessageAttributes=attributes)
        queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
        assert len(queue.received(MessageAttributeNames=names)) == 3
    assert (attributes, entries, names) == before


def test_every_message_of_a_batch_has_the_marker_and_real_ones_have_none(queue: Queue) -> None:
    entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(10)]
    for work, marked in ((synthetic.simulated(run="rush-hour"), 10), (synthetic.real(), 0)):
        with work:
            queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
        messages = queue.received()
        assert sum(baggage_on(message) is not None for message in messages) == marked
        for message in messages:
            queue.delete(message)


@pytest.mark.parametrize(
    ("names", "found"),
    [([], {"baggage"}), (["tenant"], {"baggage", "tenant"}), (["All"], {"baggage", "tenant"})],
)
def test_a_consumer_gets_the_marker_and_the_attributes_that_it_asks_for(
    queue: Queue, names: list[str], found: set[str]
) -> None:
    tenant = {"tenant": {"DataType": "String", "StringValue": "7"}}
    with synthetic.simulated(run="rush-hour"):
        queue.sqs.send_message(QueueUrl=queue.url, MessageBody="ride", MessageAttributes=tenant)
    (message,) = queue.received(MessageAttributeNames=names)
    assert set(message["MessageAttributes"]) == found


def test_only_a_simulated_message_is_refused_if_it_has_no_room_for_the_marker(queue: Queue) -> None:
    message: dict[str, Any] = {"MessageBody": "ride", "MessageAttributes": FULL}
    entries = [{"Id": "1", "MessageBody": "other"}, {"Id": "2", **message}]
    with synthetic.simulated(run="rush-hour"):
        with pytest.raises(NoRoomForMarker, match="10 attributes") as refused:
            queue.sqs.send_message(QueueUrl=queue.url, **message)
        with pytest.raises(BotoCoreError):
            queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)
    assert queue.is_empty()
    with synthetic.real():
        queue.sqs.send_message(QueueUrl=queue.url, **message)
    assert set(queue.only()["MessageAttributes"]) == set(FULL)


def test_a_callers_marker_on_a_full_message_is_replaced(queue: Queue) -> None:
    with synthetic.simulated(run="yesterday"):
        stale = attribute(synthetic.headers()["baggage"])["MessageAttributes"]
    nine = dict(list(FULL.items())[:9])
    with synthetic.simulated(run="today"):
        queue.sqs.send_message(QueueUrl=queue.url, MessageBody="ride", MessageAttributes={**nine, **stale})
    message = queue.only()
    assert len(message["MessageAttributes"]) == 10
    assert claims_of(str(baggage_on(message)))["run"] == "today"


def test_a_spelling_in_capitals_makes_no_second_marker(queue: Queue) -> None:
    with synthetic.simulated(run="yesterday"):
        stale = synthetic.headers()["baggage"]
    capitals = {"Baggage": {"DataType": "String", "StringValue": stale}}
    with synthetic.simulated(run="today"):
        queue.sqs.send_message(QueueUrl=queue.url, MessageBody="ride", MessageAttributes=capitals)
    message = queue.only()
    assert set(message["MessageAttributes"]) == {"baggage"}
    with admitted(message) as marker:
        assert marker is not None
        assert marker.run == "today"


@pytest.mark.parametrize("wrong", [{"MessageAttributes": ["baggage"]}, {"MessageAttributes": {"baggage": "x"}}, {}])
def test_wrong_parameters_are_botocores_own_errors(queue: Queue, wrong: Any) -> None:
    with synthetic.simulated(run="rush-hour"), pytest.raises(ParamValidationError):
        queue.sqs.send_message(QueueUrl=queue.url, **wrong)
    with synthetic.simulated(run="rush-hour"), pytest.raises(ParamValidationError):
        queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=wrong)


def test_an_error_of_the_broker_reaches_the_caller(queue: Queue) -> None:
    with synthetic.simulated(run="rush-hour"), pytest.raises(ClientError) as failed:
        queue.sqs.send_message(QueueUrl=queue.url + "-gone", MessageBody="ride")
    assert "NonExistentQueue" in failed.value.response["Error"]["Code"]


def test_a_message_of_a_resource_that_was_not_received_cannot_be_admitted(queue: Queue, aws_url: str) -> None:
    with pytest.raises(ResourceLoadException):
        admitted(shared_resource(aws_url).Message(queue.url, "handle"))


# FIFO


def test_a_simulated_message_never_takes_the_place_of_a_real_one_with_the_same_body(aws_url: str) -> None:
    queue = Queue(aws_url, fifo=True, receives=9)
    works = (synthetic.simulated(run="a"), synthetic.simulated(run="b"), synthetic.real())
    for work in (*works, *works):
        with work:
            queue.sqs.send_message(QueueUrl=queue.url, MessageBody="ride", MessageGroupId="1")
            entries = [{"Id": "1", "MessageBody": "ride", "MessageGroupId": "2"}]
            queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
    seen: list[str | None] = []
    while messages := queue.received():
        for message in messages:
            with admitted(message) as marker:
                seen.append(marker and marker.run)
            queue.delete(message)
    assert sorted(seen, key=str) == [None, "a", "b"]


@pytest.mark.parametrize("parameters", [{"TopicArn": "arn:aws:sns:eu-central-1:1:rides.fifo"}, {"TopicArn": "rides"}])
def test_only_a_simulated_fifo_message_without_an_id_gets_one(
    server: RecordingServer, parameters: dict[str, str]
) -> None:
    server.answers["/"] = sent
    sns = client_of("sns", server.url())
    with synthetic.simulated(run="rush-hour"):
        sns.publish(Message="ride", **parameters)
        sns.publish(Message="ride", MessageDeduplicationId="mine", **parameters)
    sns.publish(Message="ride", **parameters)
    ids = [parse_qs(request.body.decode()).get("MessageDeduplicationId") for request in server.requests]
    is_fifo = parameters["TopicArn"].endswith(".fifo")
    assert [bool(ids[0]), ids[1], ids[2]] == [is_fifo, ["mine"], None]


# Events


@pytest.fixture
def details(server: RecordingServer) -> Iterator[tuple[Any, list[str]]]:
    """A client for events, and the details that left with it."""
    left: list[str] = []

    def take(request: Recorded) -> Answer:
        left.extend(entry["Detail"] for entry in json.loads(request.body)["Entries"])
        return Answer(body=b'{"FailedEntryCount": 0, "Entries": []}')

    server.answers["/"] = take
    events = client_of("events", server.url())
    yield events, left
    events.close()


def _put(events: Any, *details: str) -> None:
    entries = [{"Source": "rides", "DetailType": "booked", "Detail": detail} for detail in details]
    events.put_events(Entries=entries)


def test_every_other_byte_of_an_event_is_kept(details: tuple[Any, list[str]]) -> None:
    events, left = details
    given = (' {"fare": 1.10, "fare": 1E2, "name": "\\u00e9"}', "{ }", '{"a": {"baggage": "x"}}')
    with synthetic.simulated(run="rush-hour"):
        ours = json.dumps(synthetic.headers())[1:-1]
        _put(events, *given)
    assert left == [
        f' {{{ours}, "fare": 1.10, "fare": 1E2, "name": "\\u00e9"}}',
        f"{{{ours} }}",
        f'{{{ours}, "a": {{"baggage": "x"}}}}',
    ]
    with synthetic.real():
        _put(events, *given)
    assert left[3:] == list(given)


def test_a_stale_marker_is_removed_from_an_event_in_any_spelling(details: tuple[Any, list[str]]) -> None:
    events, left = details
    with synthetic.simulated(run="yesterday"):
        stale = synthetic.headers()["baggage"]
    with synthetic.real():
        _put(events, json.dumps({"ride": 7, "baggage": stale}), f'{{"ride": 7, "\\u0062aggage": "{stale},a=1"}}')
    assert [json.loads(detail) for detail in left] == [{"ride": 7}, {"ride": 7, "baggage": "a=1"}]


@pytest.mark.parametrize("detail", ["[1]", "ride", '"ride"'])
def test_only_a_simulated_event_is_refused_if_it_is_not_an_object(details: tuple[Any, list[str]], detail: str) -> None:
    events, left = details
    with synthetic.simulated(run="rush-hour"), pytest.raises(NoRoomForMarker, match="not a JSON object"):
        _put(events, detail)
    assert not left
    with synthetic.real():
        _put(events, detail)
    assert left == [detail]


@pytest.mark.parametrize("detail", ['{"baggage": {"count": 2}}', '{"ride": 7, "Baggage": 2}'])
def test_only_a_simulated_event_is_refused_if_its_baggage_is_data(details: tuple[Any, list[str]], detail: str) -> None:
    events, left = details
    with synthetic.simulated(run="rush-hour"), pytest.raises(NoRoomForMarker, match="that is no text"):
        _put(events, detail)
    assert not left
    with synthetic.real():
        _put(events, detail)
    assert left == [detail]


# Received messages


@pytest.mark.parametrize("envelopes", [(), ("sns", "eventbridge")])
def test_a_marker_in_user_data_is_no_marker(queue: Queue, envelopes: Any) -> None:
    with synthetic.simulated(run="captured"):
        header = synthetic.headers()["baggage"]
    for data in ({"order": "laptop", "baggage": header}, {"MessageAttributes": {"baggage": {"Value": header}}}):
        queue.put(json.dumps(data))
        message = queue.only()
        with admitted(message, envelopes=envelopes) as marker:
            assert marker is None


def test_an_envelope_that_aws_does_not_know_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="is not one of sns, eventbridge"):
        admitted({"Body": "ride"}, envelopes=["headers"])


# Every other service is a call to a host


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_a_call_to_a_service_that_does_not_take_part_is_refused_without_a_retry(mode: str) -> None:
    s3 = client_of("s3", None, retries={"mode": mode, "max_attempts": 3})
    with (
        ledger.recorded() as outcomes,
        synthetic.simulated(run="rush-hour"),
        pytest.raises(ExternalRequestRefused) as refused,
    ):
        s3.get_object(Bucket="rides", Key="7")
    assert isinstance(refused.value, BotoCoreError)
    assert refused.value.host == "rides.s3.eu-central-1.amazonaws.com"
    assert [(outcome.effect, outcome.action) for outcome in outcomes] == [("external-call", "refuse")]
    again = pickle.loads(pickle.dumps(refused.value))
    assert (str(again), again.host, again.marker) == (
        str(refused.value),
        refused.value.host,
        refused.value.marker,
    )


@pytest.mark.parametrize(
    "parameters",
    [{"PhoneNumber": "+4930123456"}, {"TargetArn": "arn:aws:sns:eu-central-1:1:endpoint/GCM/app/7"}],
)
def test_a_publish_to_a_person_does_not_count_as_a_message(aws_url: str, parameters: dict[str, str]) -> None:
    sns = client_of("sns", aws_url.replace(OURS, THEIRS))
    with synthetic.simulated(run="rush-hour"), pytest.raises(ExternalRequestRefused):
        sns.publish(Message="your driver is here", **parameters)


def test_only_publishing_counts_as_inside_for_sns_and_events(aws_url: str) -> None:
    sns, events = (client_of(service, aws_url.replace(OURS, THEIRS)) for service in ("sns", "events"))
    topic = shared_client("sns", aws_url).create_topic(Name="rides")["TopicArn"]
    with synthetic.simulated(run="rush-hour"):
        assert sns.publish(TopicArn=topic, Message="ride")["MessageId"]
        _put(events, "{}")
        for call in (sns.list_topics, events.list_rules):
            with pytest.raises(ExternalRequestRefused):
                call()


def test_every_operation_of_sqs_counts_as_inside(queue: Queue, aws_url: str) -> None:
    sqs = client_of("sqs", aws_url.replace(OURS, THEIRS))
    with synthetic.simulated(run="rush-hour"):
        assert queue.url.rpartition("/")[2] in str(list(sqs.get_paginator("list_queues").paginate()))
        sqs.send_message(QueueUrl=queue.url, MessageBody="ride")
        (message,) = sqs.receive_message(QueueUrl=queue.url)["Messages"]
        sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])


def test_a_call_that_takes_part_carries_the_marker_outside_of_the_aws_signature(
    server: RecordingServer,
) -> None:
    answers = iter([Answer(500), Answer(), Answer()])
    server.answers["/rides/7"] = lambda _: next(answers)
    s3 = client_of("s3", server.url(), retries={"mode": "standard"})
    with synthetic.simulated(run="rush-hour"):
        s3.get_object(Bucket="rides", Key="7")
    s3.get_object(Bucket="rides", Key="7")
    first, again, real = server.requests
    assert token_of(first) == token_of(again)
    assert "baggage" not in first.values("authorization")[0]
    assert has_no_marker(real)


def test_an_allowed_external_call_carries_no_marker(server: RecordingServer, keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
    s3 = client_of("s3", server.url(host=THEIRS), s3={"addressing_style": "path"})
    with ledger.recorded() as outcomes, synthetic.simulated(run="rush-hour"):
        s3.get_object(Bucket="rides", Key="7")
    assert has_no_marker(server.only)
    assert [outcome.action for outcome in outcomes] == ["allow"]


def test_a_message_has_no_marker_in_its_http_headers_and_needs_no_declared_host(server: RecordingServer) -> None:
    server.answers["/"] = sent
    sqs = client_of("sqs", server.url(host=THEIRS))
    with ledger.recorded() as outcomes, synthetic.simulated(run="rush-hour"):
        sqs.send_message(QueueUrl="https://sqs.example/1/rides", MessageBody="ride")
    assert has_no_marker(server.only)
    assert b"synthetic-traffic" in server.only.body
    assert not outcomes


def test_a_call_that_a_stub_answers_is_not_refused() -> None:
    s3, sqs = client_of("s3", None), client_of("sqs", None)
    with Stubber(s3) as stub, Stubber(sqs) as other, synthetic.simulated(run="rush-hour"):
        stub.add_response("list_buckets", {"Buckets": []}, {})
        assert s3.list_buckets()["Buckets"] == []
        parameters = {"QueueUrl": "rides", "MessageBody": "ride"}
        other.add_response("send_message", {"MessageId": "1"}, parameters)
        assert sqs.send_message(**parameters)["MessageId"] == "1"


def test_a_file_uploaded_in_threads_keeps_the_verdict(aws_url: str, tmp_path: Path) -> None:
    file = tmp_path / "ride"
    file.write_bytes(b"7")
    s3 = client_of("s3", aws_url.replace(OURS, THEIRS), s3={"addressing_style": "path"})
    synthetic.instrument("concurrency")
    try:
        with synthetic.simulated(run="rush-hour"), pytest.raises(ExternalRequestRefused):
            s3.upload_file(str(file), "rides", "7")
    finally:
        synthetic.uninstrument("concurrency")


# Credentials are fetched for real


def test_credentials_refreshed_in_simulated_work_are_fetched_as_real_work(queue: Queue, aws_url: str) -> None:
    seen: list[bool] = []

    def fetch() -> dict[str, str]:
        seen.append(synthetic.is_synthetic())
        expires = datetime.now(timezone.utc) + timedelta(hours=1)
        return {"access_key": "a", "secret_key": "b", "token": "c", "expiry_time": expires.isoformat()}

    sqs = client_of("sqs", aws_url)
    soon = datetime.now(timezone.utc) + timedelta(seconds=1)
    sqs._request_signer._credentials = RefreshableCredentials("a", "b", "c", soon, fetch, "test")
    with synthetic.simulated(run="rush-hour"):
        sqs.send_message(QueueUrl=queue.url, MessageBody="ride")
        assert synthetic.is_synthetic()
    assert seen == [False]
    assert baggage_on(queue.only()) is not None


def test_credentials_of_a_client_made_in_simulated_work_are_fetched_as_real_work(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    expires = datetime.now(timezone.utc) + timedelta(hours=1)
    found = {"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c", "Expiration": expires.isoformat()}
    server.answers["/credentials"] = Answer(body=json.dumps(found).encode())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url("/credentials", host=THEIRS))
    synthetic.instrument("urllib3", "http-client")
    try:
        with synthetic.simulated(run="rush-hour"):
            credentials = boto3.Session().get_credentials()
    finally:
        synthetic.uninstrument("urllib3", "http-client")
    assert credentials is not None
    assert credentials.get_frozen_credentials().access_key == "a"
    assert has_no_marker(server.only)


# On and off

PATCHED = [
    (BaseClient, "_emit_api_params"),
    (BaseClient, "_make_request"),
    (Endpoint, "_send"),
    (RefreshableCredentials, "_protected_refresh"),
    (CredentialResolver, "load_credentials"),
    (DeferredRefreshableToken, "_protected_refresh"),
]


def test_uninstrument_leaves_nothing_behind() -> None:
    synthetic.uninstrument("boto3")
    before = [vars(owner)[name] for owner, name in PATCHED]
    synthetic.instrument("boto3")
    synthetic.instrument("boto3")
    assert all(vars(owner)[name].__wrapped__ is one for (owner, name), one in zip(PATCHED, before, strict=True))
    synthetic.uninstrument("boto3")
    assert [vars(owner)[name] for owner, name in PATCHED] == before


@pytest.mark.parametrize("everywhere", [False, True])
def test_one_client_can_be_covered_alone(queue: Queue, aws_url: str, everywhere: bool) -> None:
    if not everywhere:
        synthetic.uninstrument("boto3")
    sqs = client_of("sqs", aws_url)
    assert cover(cover(sqs)) is sqs
    with synthetic.simulated(run="rush-hour"):
        ours = synthetic.headers()["baggage"]
        sqs.send_message(QueueUrl=queue.url, MessageBody="ride", **attribute("user=7"))
        (message,) = sqs.receive_message(QueueUrl=queue.url)["Messages"]
    assert baggage_on(message) == f"{ours},user=7"
    s3 = cover(client_of("s3", None))
    with synthetic.simulated(run="rush-hour"), pytest.raises(ExternalRequestRefused):
        s3.list_buckets()


def test_clients_in_threads_do_not_mix(queue: Queue) -> None:
    def send(number: int) -> None:
        with synthetic.simulated(run=f"run-{number}") if number % 2 else synthetic.real():
            for _ in range(5):
                queue.sqs.send_message(QueueUrl=queue.url, MessageBody=str(number))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen: list[tuple[int, str | None]] = []
    while messages := queue.received():
        for message in messages:
            with admitted(message) as marker:
                seen.append((int(message["Body"]), marker and marker.run))
            queue.delete(message)
    assert len(seen) == 40
    assert all(run == (f"run-{number}" if number % 2 else None) for number, run in seen)
