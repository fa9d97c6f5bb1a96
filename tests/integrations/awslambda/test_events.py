"""Handlers of AWS Lambda, called with the events and in the forms that AWS documents."""

from __future__ import annotations

import copy
import inspect
import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2, SQSEvent, event_source
from aws_lambda_powertools.utilities.data_classes.common import DictWrapper

import synthetic
from synthetic._model.verdict import REAL
from synthetic._work.state import VERDICT
from synthetic.errors import ConfigurationError
from synthetic_awslambda import admit, admitted, each_record
from tests.products import awslambda as events
from tests.products.awslambda import CONTEXT, GATEWAYS, contrib, module_with
from tests.support.keys import entry, mint, shared_key
from tests.support.markers import DAY, REFUSED, STRANGERS, expired

Keys = dict[str, Any]
ALL: Final = ("sns", "eventbridge")


@pytest.fixture(autouse=True)
def configured(keys: Keys) -> None:
    synthetic.configure(keys=keys)


@pytest.fixture(params=GATEWAYS)
def gateway(request: pytest.FixtureRequest) -> Callable[..., Any]:
    made: Callable[..., Any] = GATEWAYS[request.param]
    return made


def works() -> dict[str, Any]:
    """The verdict in force."""
    marker = synthetic.current()
    return {"run": marker and marker.run, "explicit": VERDICT.get() is REAL or marker is not None}


def handler(event: Any, context: Any) -> Any:
    """A handler that says what it saw."""
    seen = {**works(), "baggage": event.get("headers") or event.get("multiValueHeaders")}
    return {"statusCode": 200, "headers": {"Cache-Control": "public", "Expires": "0"}, "body": json.dumps(seen)}


def body_of(response: Any) -> Any:
    return json.loads(response["body"])


def header(response: Any, name: str) -> Any:
    """The value of a header, in whichever form the response has it."""
    found = [
        value
        for form in ("headers", "multiValueHeaders")
        for other, values in (response.get(form) or {}).items()
        if other.lower() == name
        for value in (values if isinstance(values, list) else [values])
    ]
    assert len(found) < 2
    return found[0] if found else None


# HTTP


def test_a_request_without_a_marker_is_explicitly_real_and_keeps_its_caching(gateway: Any) -> None:
    with synthetic.simulated(run="stale"):
        response = admit(handler)(gateway(), CONTEXT)
    assert {"run": None, "explicit": True}.items() <= body_of(response).items()
    assert response["headers"] == {"Cache-Control": "public", "Expires": "0"}


def test_a_good_marker_makes_the_request_simulated_and_no_cache_keeps_it(gateway: Any, keys: Keys) -> None:
    response = admit()(handler)(gateway([entry(mint(keys, claims={"run": "peak"}))]), CONTEXT)
    assert {"run": "peak", "explicit": True}.items() <= body_of(response).items()
    assert header(response, "cache-control") == "private, no-store"
    assert header(response, "expires") is None
    assert not synthetic.is_synthetic()


@pytest.mark.parametrize("kind", REFUSED)
def test_a_bad_marker_is_refused_and_never_reaches_the_handler(gateway: Any, keys: Keys, kind: str) -> None:
    headers, reason = REFUSED[kind]
    called: list[Any] = []
    values = [value for _, value in headers(keys)]
    if len(values) > 1 and gateway is events.balancer:
        values = [",".join(values)]
    response = admit(lambda event, context: called.append(event))(gateway(values), CONTEXT)
    assert (response["statusCode"], body_of(response)["reason"]) == (403, reason)
    assert header(response, "content-type") == "application/problem+json"
    assert header(response, "cache-control") == "no-store"
    assert not called


def test_a_marker_in_the_first_of_two_headers_is_found_if_the_gateway_passes_both(keys: Keys) -> None:
    good = entry(mint(keys, claims={"run": "peak"}))
    for name, gateway in GATEWAYS.items():
        if name != "ALB":
            assert body_of(admit(handler)(gateway([good, "user=7"]), CONTEXT))["run"] == "peak"


def test_an_event_written_by_hand_needs_only_plain_headers(keys: Keys) -> None:
    event = {**events.gateway_v1(), "headers": {"baggage": entry(mint(keys))}}
    assert body_of(admit(handler)(event, CONTEXT))["run"] == "rush-hour"


@pytest.mark.parametrize(("setting", "reason"), [("shed", "shed"), ("ready", "not-ready")])
def test_a_good_marker_is_deferred_while_the_service_sheds_or_is_not_ready(
    gateway: Any, keys: Keys, setting: str, reason: str
) -> None:
    settings: Any = {setting: lambda: setting == "shed"}
    synthetic.configure(keys=keys, **settings)
    response = admit(handler)(gateway([entry(mint(keys))]), CONTEXT)
    assert (response["statusCode"], body_of(response)["reason"], header(response, "retry-after")) == (429, reason, "5")


def test_each_gateway_gets_a_refusal_in_its_own_format(keys: Keys) -> None:
    forged = [entry(mint(shared_key()))]
    forms = {name: admit(handler)(gateway(forged), CONTEXT) for name, gateway in GATEWAYS.items()}
    known = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
    for name, response in forms.items():
        assert json.loads(json.dumps(response)) == response
        assert set(response) - known == ({"statusDescription"} if "ALB" in name else set())
        assert ("multiValueHeaders" in response) == (name == "ALB, multi-value")
        assert ("headers" in response) != ("multiValueHeaders" in response)
    assert forms["ALB"]["statusDescription"] == "403 Forbidden"


def test_a_head_request_that_is_refused_gets_no_body(gateway: Any) -> None:
    response = admit(handler)(gateway([entry(mint(shared_key()))], "HEAD"), CONTEXT)
    assert (response["statusCode"], response["body"]) == (403, "")


def test_a_simulated_response_is_the_handlers_apart_from_its_caching(keys: Keys) -> None:
    own = {
        "statusCode": 201,
        "multiValueHeaders": {"set-cookie": ["a=1", "b=2"], "CDN-Cache-Control": ["max-age=9"]},
        "headers": None,
        "cookies": ["c=3"],
        "body": "AP8=",
        "isBase64Encoded": True,
    }
    before = copy.deepcopy(own)
    good = [entry(mint(keys))]
    response = admit(lambda event, context: own)(events.gateway_v1(good), CONTEXT)
    assert response == {
        **before,
        "headers": {"cache-control": "private, no-store", "synthetic-traffic": "simulated"},
        "multiValueHeaders": {"set-cookie": ["a=1", "b=2"]},
    }
    assert admit(lambda event, context: own)(events.gateway_v1(), CONTEXT) is own
    multi = admit(lambda event, context: own)(events.balancer_multi(good), CONTEXT)
    assert multi["multiValueHeaders"]["cache-control"] == ["private, no-store"]
    assert own == before


@pytest.mark.parametrize(("value", "body"), [({"ride": 7}, '{"ride": 7}'), ([1], "[1]"), ("ride", "ride")])
def test_a_short_response_is_completed_for_simulated_work_only(keys: Keys, value: Any, body: str) -> None:
    good = [entry(mint(keys))]
    for gateway in (events.gateway_v2, events.function_url):
        response = admit(lambda event, context: value)(gateway(good), CONTEXT)
        assert response == {
            "statusCode": 200,
            "headers": {
                "content-type": "application/json",
                "cache-control": "private, no-store",
                "synthetic-traffic": "simulated",
            },
            "body": body,
            "isBase64Encoded": False,
        }
        assert admit(lambda event, context: value)(gateway(), CONTEXT) is value
    assert admit(lambda event, context: value)(events.gateway_v1(good), CONTEXT) is value


def test_the_settings_of_an_entrance_apply_to_its_function(gateway: Any, keys: Keys) -> None:
    late = gateway([entry(mint(keys, claims=expired(6 * DAY)))])
    assert body_of(admit(handler)(late, CONTEXT))["reason"] == "expired"
    assert body_of(admit(edge=False)(handler)(late, CONTEXT))["run"] == "rush-hour"
    assert body_of(admit(on_missing="refuse")(handler)(gateway(["user=7"]), CONTEXT))["reason"] == "missing"


@pytest.mark.parametrize("stranger", STRANGERS)
def test_an_edge_that_strips_passes_the_other_entries_on_and_leaves_the_event_unchanged(
    gateway: Any, stranger: str
) -> None:
    event = gateway([f"user=7,{stranger},b=2"])
    before = copy.deepcopy(event)
    response = body_of(admit(on_unverified="strip")(handler)(event, CONTEXT))
    assert response["run"] is None
    left = {name.lower(): value for name, value in response["baggage"].items()}["baggage"]
    assert left in ("user=7,b=2", ["user=7,b=2"])
    assert event == before


def test_the_marker_comes_first_in_the_baggage_for_the_handler(gateway: Any, keys: Keys) -> None:
    good = entry(mint(keys))
    response = body_of(admit(handler)(gateway([f"user=7,{good}"]), CONTEXT))
    left = {name.lower(): value for name, value in response["baggage"].items()}["baggage"]
    assert left in (f"{good},user=7", [f"{good},user=7"])


def test_a_refused_effect_is_answered_and_any_other_error_is_raised(gateway: Any, keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})

    @synthetic.guard("payment")
    def charge() -> None:
        raise OSError("the bank is closed")

    pay = admit(lambda event, context: charge())
    response = pay(gateway([entry(mint(keys))]), CONTEXT)
    assert (response["statusCode"], body_of(response)["effect"]) == (403, "payment")
    with pytest.raises(OSError, match="closed"):
        pay(gateway(), CONTEXT)
    assert VERDICT.get() is None


# Decorating


def test_a_decorated_handler_keeps_its_name_and_its_signature() -> None:
    for decorated in (admit(handler), admit()(handler)):
        assert (decorated.__name__, decorated.__doc__) == (handler.__name__, handler.__doc__)
        assert inspect.signature(decorated) == inspect.signature(handler)


def test_a_handler_that_lambda_cannot_call_is_an_error_when_it_is_decorated() -> None:
    async def asynchronous(event: Any, context: Any) -> None: ...

    def steps(event: Any, context: Any) -> Iterator[int]:
        yield 1

    wrong: Any
    for wrong in (asynchronous, steps):
        with pytest.raises(TypeError, match=f"{wrong.__name__} as a plain function"):
            admit()(wrong)
    for wrong in (True, "edge"):
        with pytest.raises(TypeError, match="the function that Lambda calls"):
            admit(wrong)
    with pytest.raises(ConfigurationError):
        admit(on_missing="shrug")  # type: ignore[call-overload]


# Messages


@pytest.mark.parametrize("make", [events.sns, events.bridge, lambda *record: events.sqs(events.sqs_record(*record))])
def test_a_message_is_admitted_by_its_marker(make: Any, keys: Keys) -> None:
    function = admit(envelopes=["eventbridge"])(lambda event, context: works())
    with synthetic.simulated(run="stale"):
        assert function(make("ride"), CONTEXT) == {"run": None, "explicit": True}
    late = mint(keys, claims={"run": "peak", **expired(6 * DAY)})
    assert function(make("ride", f"user=7,{entry(late)}"), CONTEXT) == {"run": "peak", "explicit": True}
    for kind, (headers, reason) in REFUSED.items():
        if kind == "expired":
            continue
        with pytest.raises(synthetic.MessageRefused) as refused:
            function(make("ride", ",".join(value for _, value in headers(keys))), CONTEXT)
        assert refused.value.reason == reason
    assert VERDICT.get() is None


def test_a_marker_is_found_inside_of_every_declared_envelope(keys: Keys) -> None:
    good = entry(mint(keys))
    event, notified = events.bridge("ride", good), events.notification("ride", good)
    for body in (event, notified, events.notification(json.dumps(event))):
        with admitted(events.sqs_record(json.dumps(body)), envelopes=ALL) as marker:
            assert marker is not None
    for delivered in (event, events.sns(json.dumps(event))["Records"][0]):
        with admitted(delivered, envelopes=ALL) as marker:
            assert marker is not None


def user_data(header: str) -> list[Any]:
    """What a real user may have typed, anywhere that a marker could be looked for."""
    event, notified = events.bridge("ride", header), events.notification("ride", header)
    inner = {"headers": {"baggage": header}, "messageAttributes": {"baggage": {"stringValue": header}}, "Sns": notified}
    return [
        {"order": "laptop", "baggage": header},
        {"order": "laptop", "BAGGAGE": [header]},
        {"MessageAttributes": {"baggage": {"Type": "String", "Value": header}}},
        [{"baggage": header}],
        event["detail"],
        inner,
    ]


@pytest.mark.parametrize("envelopes", [(), ("sns", "eventbridge")])
@pytest.mark.parametrize("word", [None, "synthetic-traffic", "synthetic-traffic=x"])
def test_a_body_is_never_read_for_a_marker(keys: Keys, envelopes: Any, word: str | None) -> None:
    header = entry(mint(keys)) if word is None else word
    seen: list[Any] = []
    for data in user_data(header):
        body = json.dumps(data)
        for record in (events.sqs_record(body), events.sns(body)["Records"][0]):
            with admitted(record, envelopes=envelopes) as marker:
                assert marker is None
        batch = events.sqs(events.sqs_record("{}", group="a"), events.sqs_record(body, group="a"))
        each = each_record(envelopes=envelopes)(lambda record: seen.append(works()))
        assert each(batch, CONTEXT) == {"batchItemFailures": []}
        assert admit(envelopes=envelopes)(lambda event, context: works())(batch, CONTEXT)["run"] is None
    assert {works["run"] for works in seen} == {None}


def test_an_envelope_counts_only_where_it_is_declared(keys: Keys) -> None:
    good = entry(mint(keys))
    in_sns = events.sqs_record(json.dumps(events.notification("ride", good)))
    in_event = events.sqs_record(json.dumps(events.bridge("ride", good)))
    for record, declared in ((in_sns, "sns"), (in_event, "eventbridge")):
        for envelopes in ((), ("sns",), ("eventbridge",)):
            with admitted(record, envelopes=envelopes) as marker:  # type: ignore[arg-type]
                assert (marker is not None) == (declared in envelopes)


@pytest.mark.parametrize("make", [admit, each_record, lambda **options: admitted(events.sqs_record("ride"), **options)])
@pytest.mark.parametrize("wrong", ["snss", ["sqs"], "eventbridge,sns"])
def test_an_unknown_envelope_is_an_error(make: Any, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not one of sns, eventbridge"):
        make(envelopes=wrong)


def test_an_event_with_a_marker_in_an_envelope_that_is_not_declared_raises_an_error(keys: Keys) -> None:
    good = entry(mint(keys))
    for event, envelope in ((events.bridge("ride", good), "eventbridge"), ({"headers": {"baggage": good}}, "headers")):
        with pytest.raises(TypeError, match=f"{envelope}"):
            admit(lambda event, context: works())(event, CONTEXT)
        function = admit(envelopes=[envelope])(lambda event, context: works())  # type: ignore[list-item]
        assert function(event, CONTEXT)["run"] == "rush-hour"


class Mapped(Mapping[str, Any]):
    """An event as other decorators pass it on: a mapping, and no dict."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def __getitem__(self, name: str) -> Any:
        return self._data[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


@pytest.mark.parametrize("kind", [Mapped, DictWrapper])
def test_a_marker_is_found_in_mappings_that_are_no_dict(keys: Keys, gateway: Any, kind: Any) -> None:
    good, forged = entry(mint(keys)), entry(mint(shared_key()))
    types: set[Any] = set()

    def function(event: Any, context: Any) -> Any:
        types.add(type(event))
        return {"statusCode": 200, "body": json.dumps(works())}

    assert body_of(admit(function)(kind(gateway([f"user=7,{good}"])), CONTEXT))["run"] == "rush-hour"
    assert admit(function)(kind(gateway([forged])), CONTEXT)["statusCode"] == 403
    assert body_of(admit(function)(kind(gateway()), CONTEXT))["run"] is None
    batch = events.sqs(events.sqs_record("1", good), events.sqs_record("2"))
    assert body_of(admit(function)(kind(batch), CONTEXT))["run"] is None
    assert types == {kind}
    with admitted(kind(events.sqs_record("1", good))) as marker:
        assert marker is not None
    for call in (
        lambda: admitted(kind(events.sqs_record("1", forged))),
        lambda: admit(function)(kind(events.sns("1", forged)), CONTEXT),
    ):
        with pytest.raises(synthetic.MessageRefused):
            call()


def test_the_data_classes_of_powertools_keep_their_markers(keys: Keys) -> None:
    good = entry(mint(keys))

    @event_source(data_class=SQSEvent)
    @admit
    def queue(event: SQSEvent, context: Any) -> Any:
        return [record.body for record in event.records], works()["run"]

    @event_source(data_class=APIGatewayProxyEventV2)
    @admit(on_unverified="strip")
    def web(event: APIGatewayProxyEventV2, context: Any) -> Any:
        return {
            "statusCode": 200,
            "body": json.dumps({**works(), "path": event.raw_path, "baggage": event.headers["baggage"]}),
        }

    context = copy.copy(CONTEXT)
    assert queue(events.sqs(events.sqs_record("1", good)), context) == (["1"], "rush-hour")
    assert queue(events.sqs(events.sqs_record("1", good), events.sqs_record("2")), context) == (["2"], None)
    seen = body_of(web(events.gateway_v2([f"user=7,{STRANGERS[0]}"]), context))
    assert seen == {"run": None, "explicit": True, "path": "/rides", "baggage": "user=7"}


@pytest.mark.parametrize("wrong", [object(), events.EventSource, {"a"}, b"{}"])
def test_what_is_no_event_raises_an_error_and_is_not_real(wrong: Any) -> None:
    for call in (admit(handler), each_record(lambda record: None)):
        with pytest.raises(TypeError, match="is no event of Lambda"):
            call(wrong, CONTEXT)
    with pytest.raises(TypeError, match="is no record of Lambda"):
        admitted(wrong)


def test_a_marker_in_bytes_or_in_a_list_is_found(keys: Keys) -> None:
    good, forged = entry(mint(keys)), entry(mint(shared_key()))
    for header, is_good in ((good, True), (forged, False)):
        coded = b64encode(header.encode()).decode()
        in_sqs = {**events.sqs_record("ride"), "messageAttributes": {"baggage": {"binaryValue": coded}}}
        in_sns = events.sns("ride")["Records"][0]
        in_sns["Sns"]["MessageAttributes"] = {"baggage": {"Type": "Binary", "Value": coded}}
        event = events.bridge("ride", header)
        in_list = {**event, "detail": {"baggage": [header]}}
        with_mark = events.sqs_record("\ufeff" + json.dumps(event))
        several = events.sqs_record(json.dumps([events.bridge("ride"), event]))
        plain = {**events.sqs_record("ride"), "messageAttributes": {"baggage": header}}
        for delivered in (in_sqs, in_sns, in_list, with_mark, several, plain):
            if is_good:
                with admitted(delivered, envelopes=ALL) as marker:
                    assert marker is not None
            else:
                with pytest.raises(synthetic.MessageRefused):
                    admitted(delivered, envelopes=ALL)


def test_a_value_that_is_not_base64_is_read_unchanged() -> None:
    record = {**events.sqs_record("ride"), "messageAttributes": {"baggage": {"binaryValue": "synthetic-traffic=x"}}}
    with pytest.raises(synthetic.MessageRefused):
        admitted(record)


def test_a_message_on_an_open_websocket_raises_an_error(keys: Keys) -> None:
    def event(route: str, kind: str, **headers: Any) -> Any:
        return {"requestContext": {"routeKey": route, "eventType": kind, "connectionId": "x"}, **headers}

    connect = event("$connect", "CONNECT", headers={"baggage": entry(mint(keys))})
    assert body_of(admit(handler)(connect, CONTEXT))["run"] == "rush-hour"
    for later in (event("$default", "MESSAGE", body="ride"), event("$disconnect", "DISCONNECT", headers={})):
        with pytest.raises(TypeError, match="only \\$connect has headers"):
            admit(handler)(later, CONTEXT)


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '{"Type": "Notification", "MessageAttributes": 7, "baggage": 1}', '{"detail": "baggage"}']
)
def test_a_body_of_another_kind_carries_no_marker(body: str) -> None:
    with admitted(events.sqs_record(body), envelopes=ALL) as marker:
        assert marker is None


@pytest.mark.parametrize("event", [None, 7, "ride", {}, {"Records": []}, {"headers": None}])
def test_any_other_event_is_explicitly_real(event: Any) -> None:
    assert admit(lambda event, context: works())(event, CONTEXT) == {"run": None, "explicit": True}


def test_a_direct_invocation_with_headers_is_refused_like_a_message() -> None:
    event = {"ride": 7, "headers": {"baggage": entry(mint(shared_key()))}}
    with pytest.raises(synthetic.MessageRefused):
        admit(envelopes=["headers"])(handler)(event, CONTEXT)


# Batches


def _mixed(keys: Keys) -> list[Any]:
    markers = [None, entry(mint(keys, claims={"run": "a"})), None, None, entry(mint(keys, claims={"run": "b"}))]
    return [events.sqs_record(str(number), marker, id_=str(number)) for number, marker in enumerate(markers)]


@pytest.mark.parametrize("is_pipe", [False, True])
def test_a_mixed_batch_is_split_by_verdict_in_its_order(keys: Keys, is_pipe: bool) -> None:
    seen: list[tuple[list[str], Any]] = []

    def function(event: Any, context: Any) -> Any:
        records = event if is_pipe else event["Records"]
        seen.append(([record["body"] for record in records], works()["run"]))
        return {"batchItemFailures": [{"itemIdentifier": records[0]["messageId"]}]}

    batch = _mixed(keys)
    response = admit(function)(batch if is_pipe else events.sqs(*batch), CONTEXT)
    assert seen == [(["0"], None), (["1"], "a"), (["2", "3"], None), (["4"], "b")]
    assert response == {"batchItemFailures": [{"itemIdentifier": id_} for id_ in "0124"]}


def test_a_batch_with_one_refused_message_is_not_handled_at_all(keys: Keys) -> None:
    called: list[Any] = []
    batch = [*_mixed(keys), events.sqs_record("5", entry(mint(shared_key())))]
    with pytest.raises(synthetic.MessageRefused):
        admit(lambda event, context: called.append(event))(events.sqs(*batch), CONTEXT)
    assert not called


def test_each_record_has_its_own_verdict_and_failures_are_reported(
    keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    seen: dict[str, Any] = {}

    def handle(record: Any) -> None:
        seen[record["body"]] = works()["run"]
        if record["body"] == "3":
            raise ValueError("no such ride")

    batch = [*_mixed(keys), events.sqs_record("5", entry(mint(shared_key())), id_="5")]
    with synthetic.simulated(run="stale"):
        response = each_record(handle)(events.sqs(*batch), CONTEXT)
    assert response == {"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "5"}]}
    assert seen == {"0": None, "1": "a", "2": None, "3": None, "4": "b"}
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == ["the record 3 was not handled; it will be delivered again"]


def test_if_every_record_fails_the_error_is_raised(keys: Keys) -> None:
    forged = events.sqs_record("ride", entry(mint(shared_key())))
    with pytest.raises(synthetic.MessageRefused):
        each_record(lambda record: None)(events.sqs(forged), CONTEXT)
    assert each_record(lambda record: None)(events.sqs(), CONTEXT) == {"batchItemFailures": []}


def test_after_a_failure_the_rest_of_its_message_group_waits(keys: Keys) -> None:
    bad = entry(mint(shared_key()))
    batch = [
        events.sqs_record("a1", group="a", id_="a1"),
        events.sqs_record("b1", bad, group="b", id_="b1"),
        events.sqs_record("a2", group="a", id_="a2"),
        events.sqs_record("b2", group="b", id_="b2"),
        events.sqs_record("c1", group="c", id_="c1"),
    ]
    handled: list[str] = []
    response = each_record(lambda record: handled.append(record["body"]))(events.sqs(*batch), CONTEXT)
    assert handled == ["a1", "a2", "c1"]
    assert response == {"batchItemFailures": [{"itemIdentifier": "b1"}, {"itemIdentifier": "b2"}]}


@pytest.mark.parametrize("make", [events.kafka, events.rabbitmq])
def test_records_of_kafka_and_rabbitmq_are_handled_one_by_one(make: Any, keys: Keys) -> None:
    seen: list[Any] = []
    good = f"city=K\xf6ln,{entry(mint(keys))}"
    function = each_record(lambda record: seen.append(works()["run"]))
    function(make(("1", None), ("2", good), ("3", None)), CONTEXT)
    assert seen == [None, "rush-hour", None]
    with pytest.raises(synthetic.MessageRefused):
        function(make(("1", entry(mint(shared_key())))), CONTEXT)
    with pytest.raises(TypeError, match="each_record"):
        admit(handler)(make(("1", None)), CONTEXT)


def test_the_error_of_a_record_without_an_id_is_raised(keys: Keys) -> None:
    with pytest.raises(synthetic.MessageRefused):
        each_record(lambda record: None)(events.sns("ride", entry(mint(shared_key()))), CONTEXT)
    with pytest.raises(TypeError, match="no records"):
        each_record(lambda record: None)(events.gateway_v2(), CONTEXT)


# OpenTelemetry's instrumentation around the function


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], Any]]:
    """Instruments a function with OpenTelemetry."""
    from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor

    for name in ("AWS_LAMBDA_FUNCTION_NAME", "_HANDLER"):
        monkeypatch.setenv(name, "")
    with ExitStack() as stack:

        def instrumented(function: Any) -> Any:
            module = stack.enter_context(module_with(function))
            contrib(f"{module.__name__}.handler")
            return lambda event, context: module.handler(event, context)

        yield instrumented
        AwsLambdaInstrumentor().uninstrument()


def test_the_verdict_is_the_same_inside_of_opentelemetry(traced: Any, keys: Keys) -> None:
    function = traced(admit(handler))
    good, forged = entry(mint(keys)), entry(mint(shared_key()))
    for gateway in GATEWAYS.values():
        for _ in range(2):
            assert body_of(function(gateway([f"user=7,{good}"]), CONTEXT))["run"] == "rush-hour"
            assert body_of(function(gateway(), CONTEXT))["run"] is None
            assert function(gateway([forged]), CONTEXT)["statusCode"] == 403
    assert VERDICT.get() is None


def test_each_record_keeps_its_verdict_inside_of_opentelemetry(traced: Any, keys: Keys) -> None:
    seen: list[Any] = []
    function = traced(each_record(lambda record: seen.append(works()["run"])))
    batch = events.sqs(*_mixed(keys), events.sqs_record("5", entry(mint(shared_key())), id_="5"))
    assert function(batch, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "5"}]}
    assert seen == [None, "a", None, None, "b"]
