"""The ledger records every decision on simulated work, and no secret."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest
import requests
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import synthetic
import synthetic.errors
from synthetic import ledger
from synthetic._model.throttled import ThrottledLog
from synthetic._model.totals import Totals
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic.ledger import Outcome
from tests.support.clients import run_script
from tests.support.keys import entry, mint, shared_key
from tests.support.servers import uvicorn_server

POLICY = {"open": "allow", "shut": "skip", "fake": "substitute", "shadow": "divert", "never": "refuse"}


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, policy=POLICY, service="rides")


def work(effect: str) -> str:
    """Call one guarded function and return which one ran."""

    def instead() -> str:
        return "instead"

    @synthetic.guard(effect, instead=instead)
    def effective() -> str:
        return "real"

    try:
        return str(effective())
    except synthetic.EffectRefused:
        return "refused"


@pytest.mark.parametrize(
    ("effect", "action", "ran"),
    [
        ("open", "allow", "real"),
        ("shut", "skip", "None"),
        ("fake", "substitute", "instead"),
        ("unnamed", "substitute", "instead"),
        ("shadow", "refuse", "refused"),
        ("never", "refuse", "refused"),
    ],
)
def test_each_decision_of_a_guard_is_one_outcome(effect: str, action: str, ran: str) -> None:
    with ledger.recorded() as outcomes, synthetic.simulated(run="rush-hour") as marker:
        assert work(effect) == ran
    assert outcomes == [Outcome(effect, outcomes[0].action, marker, outcomes[0].target, None, "rides")]
    assert outcomes[0].action == action
    assert outcomes[0].target == f"{__name__}:work.<locals>.effective"


@pytest.mark.parametrize(("effect", "action"), [("open", "allow"), ("unnamed", "skip"), ("shadow", "refuse")])
def test_allows_records_an_outcome(effect: str, action: str) -> None:
    with ledger.recorded() as outcomes, synthetic.simulated(run="rush-hour"):
        assert synthetic.allows(effect) is (action == "allow")
    assert [(outcome.effect, outcome.action, outcome.target) for outcome in outcomes] == [(effect, action, None)]


def test_real_work_records_no_outcome() -> None:
    with ledger.recorded() as outcomes:
        assert work("never") == "real"
        with synthetic.simulated(run="rush-hour"), synthetic.real():
            assert work("never") == "real"
            assert synthetic.allows("never")
    assert not outcomes


def test_outcomes_of_all_threads_are_recorded_until_the_block_ends() -> None:
    with synthetic.simulated(run="rush-hour"):
        contexts = [copy_context() for _ in range(8)]
        with ledger.recorded() as outcomes:
            threads = [threading.Thread(target=context.run, args=(_work_often,)) for context in contexts]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        work("open")
    assert len(outcomes) == 8 * 50


def _work_often() -> None:
    for _ in range(50):
        work("open")


def test_recorders_can_be_nested() -> None:
    with synthetic.simulated(run="rush-hour"), ledger.recorded() as outer:
        with ledger.recorded() as inner:
            work("open")
        work("shut")
    assert [outcome.effect for outcome in inner] == ["open"]
    assert [outcome.effect for outcome in outer] == ["open", "shut"]


def test_a_subscriber_gets_each_outcome_once_until_it_unsubscribes() -> None:
    heard: list[str] = []

    def hear(outcome: Outcome) -> None:
        heard.append(outcome.effect)

    ledger.subscribe(hear)
    unsubscribe = ledger.subscribe(hear)
    with synthetic.simulated(run="rush-hour"):
        work("open")
        unsubscribe()
        unsubscribe()
        work("shut")
    assert heard == ["open"]


def test_a_failing_subscriber_harms_neither_the_work_nor_other_subscribers(caplog: pytest.LogCaptureFixture) -> None:
    def fail(outcome: Outcome) -> None:
        raise RuntimeError("no room")

    unsubscribe = ledger.subscribe(fail)
    try:
        with ledger.recorded() as outcomes, synthetic.simulated(run="rush-hour"):
            assert work("open") == "real"
    finally:
        unsubscribe()
    assert len(outcomes) == 1
    assert "no room" in caplog.text


@pytest.mark.parametrize("raises", [False, True])
def test_a_subscriber_with_guarded_work_is_called_once_per_outcome(
    caplog: pytest.LogCaptureFixture, raises: bool
) -> None:
    heard: list[str] = []
    worked: list[str] = []

    def hear(outcome: Outcome) -> None:
        heard.append(outcome.effect)
        assert len(heard) < 20, "it is called for what it does itself"
        worked.append(work("shut"))
        synthetic.allows("open")
        if raises:
            raise RuntimeError("no room")

    unsubscribe = ledger.subscribe(hear)
    try:
        with synthetic.simulated(run="rush-hour"):
            assert [work("open"), work("never")] == ["real", "refused"]
            assert synthetic.allows("open")
    finally:
        unsubscribe()
    assert heard == ["open", "never", "open"]
    assert worked == ["None"] * 3
    assert "RecursionError" not in caplog.text
    with ledger.recorded() as outcomes, synthetic.simulated(run="rush-hour"):
        work("open")
    assert len(outcomes) == 1


def test_two_subscribers_with_guarded_work_each_get_every_outcome_once() -> None:
    heard: list[str] = []

    def first(outcome: Outcome) -> None:
        heard.append(f"first {outcome.effect}")
        assert len(heard) < 20, "it is called for what it does itself"
        work("shut")

    def second(outcome: Outcome) -> None:
        heard.append(f"second {outcome.effect}")
        assert len(heard) < 20, "it is called for what it does itself"
        work("shut")

    undo = [ledger.subscribe(first), ledger.subscribe(second)]
    with synthetic.simulated(run="rush-hour"):
        work("open")
    for unsubscribe in undo:
        unsubscribe()
    assert heard == ["first open", "second open"]


def test_an_outcome_is_an_event_on_the_current_span() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("tests").start_as_current_span("work"), synthetic.simulated(run="rush-hour"):
        work("shut")
    (span,) = exporter.get_finished_spans()
    assert [(event.name, dict(event.attributes or {})) for event in span.events] == [
        (
            "synthetic.effect",
            {
                "synthetic.effect": "shut",
                "synthetic.action": "skip",
                "synthetic.target": f"{__name__}:work.<locals>.effective",
            },
        )
    ]


METRICS = """
import json, sys
import synthetic
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

@synthetic.guard("analytics")
def track():
    pass

synthetic.instrument("http-client")
synthetic.configure(policy={"payment": "refuse"})
reader = InMemoryMetricReader()
if sys.argv[1] == "early":
    metrics.set_meter_provider(MeterProvider([reader]))
with synthetic.simulated(run="rush-hour"):
    track()
    if sys.argv[1] == "late":
        metrics.set_meter_provider(MeterProvider([reader]))
    track()
    track()
    synthetic.allows("payment")
track()
(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
(metric,) = scope.metrics
points = [(dict(point.attributes), point.value) for point in metric.data.data_points]
print(json.dumps([scope.scope.name, metric.name, sorted(points, key=str)]))
"""


@pytest.mark.parametrize(("provider", "tracked"), [("early", 3), ("late", 2)])
def test_outcomes_are_counted_by_effect_and_action(keys: dict[str, Any], provider: str, tracked: int) -> None:
    assert json.loads(run_script(METRICS, provider, keys=keys)) == [
        "synthetic",
        "synthetic.effects",
        [
            [{"effect": "analytics", "action": "skip"}, tracked],
            [{"effect": "payment", "action": "refuse"}, 1],
        ],
    ]


ADMISSIONS = """
import json, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Starlette's own, in its oldest versions
import synthetic
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from starlette.testclient import TestClient
from synthetic.asgi import SyntheticTrafficMiddleware

synthetic.instrument("http-client")
synthetic.configure(metrics_run=sys.argv[1] == "with run")
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))

@synthetic.guard("analytics")
def track():
    pass

async def app(scope, receive, send):
    track()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})

client = TestClient(SyntheticTrafficMiddleware(app))
client.get("/")
assert reader.get_metrics_data() is None, "real work emits something"
with synthetic.simulated(run="rush-hour"):
    marked = synthetic.headers()
for _ in range(3):
    client.get("/", headers=marked)
with synthetic.admitted(marked):
    pass
client.get("/", headers={"baggage": "synthetic-traffic=forged"})
with synthetic.configured(halt="rush-hour"):
    client.get("/", headers=marked)
with synthetic.configured(shed=lambda: True):
    client.get("/", headers=marked)
with synthetic.configured(on_missing="refuse"):
    client.get("/")
(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
found = {
    metric.name: sorted(((dict(point.attributes), point.value) for point in metric.data.data_points), key=str)
    for metric in scope.metrics
}
print(json.dumps(found))
"""


@pytest.mark.parametrize("run", [{}, {"run": "rush-hour"}], ids=["without run", "with run"])
def test_admissions_are_counted_by_verdict_and_reason(keys: dict[str, Any], run: dict[str, str]) -> None:
    assert json.loads(run_script(ADMISSIONS, "with run" if run else "without run", keys=keys)) == {
        "synthetic.effects": [[{"effect": "analytics", "action": "skip", **run}, 3]],
        "synthetic.admissions": [
            [{"verdict": "later", "reason": "shed", **run}, 1],
            [{"verdict": "refused", "reason": "halted", **run}, 1],
            [{"verdict": "refused", "reason": "malformed"}, 1],
            [{"verdict": "refused", "reason": "missing"}, 1],
            [{"verdict": "simulated", **run}, 4],
        ],
    }


def test_totals_from_many_threads_are_exact_and_a_forked_process_begins_at_zero() -> None:
    totals: Totals[str] = Totals()
    threads = [threading.Thread(target=lambda: [totals.of("x").add() for _ in range(5000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
        totals.items()
    for thread in threads:
        thread.join()
    assert [totals.items(), totals.items()] == [[("x", 40_000)], [("x", 40_000)]]
    if hasattr(os, "fork"):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            totals.of("y").add()
            os.write(write, repr(totals.items()).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(read, 100) == b"[('y', 1)]"
        assert totals.items() == [("x", 40_000)]


# Refused and admitted requests


@pytest.fixture
def service() -> Iterator[str]:
    def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(work("shut"))

    with uvicorn_server(SyntheticTrafficMiddleware(Starlette(routes=[Route("/", answer)]))) as port:
        yield f"http://127.0.0.1:{port}/"


def test_a_refused_request_is_an_outcome_with_its_reason(service: str, keys: dict[str, Any]) -> None:
    with ledger.recorded() as outcomes:
        requests.get(service)
        requests.get(service, headers={"baggage": entry(mint(shared_key()))})
        with synthetic.configured(halt="rush-hour"):
            requests.get(service, headers={"baggage": entry(mint(keys))})
        with synthetic.configured(shed=lambda: True):
            requests.get(service, headers={"baggage": entry(mint(keys))})
    assert [(o.effect, o.action, o.reason, o.marker and o.marker.run, o.service) for o in outcomes] == [
        ("admission", "refuse", "bad-signature", None, "rides"),
        ("admission", "refuse", "halted", "rush-hour", "rides"),
        ("admission", "refuse", "shed", "rush-hour", "rides"),
    ]


def test_an_admission_as_simulated_is_an_outcome_for_those_who_ask(service: str, keys: dict[str, Any]) -> None:
    with ledger.recorded() as others, ledger.recorded(admissions=True) as outcomes:
        requests.get(service)
        requests.get(service, headers={"baggage": entry(mint(keys))})
        requests.get(service, headers={"baggage": entry(mint(shared_key()))})
    assert [(o.effect, o.action, o.reason, o.marker and o.marker.run, o.service) for o in outcomes] == [
        ("admission", "allow", None, "rush-hour", "rides"),
        ("shut", "skip", None, "rush-hour", "rides"),
        ("admission", "refuse", "bad-signature", None, "rides"),
    ]
    assert outcomes[1:] == others


def test_a_failing_subscriber_does_not_stop_an_admission(
    service: str, keys: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(outcome: Outcome) -> None:
        raise RuntimeError("no room")

    unsubscribe = ledger.subscribe(fail, admissions=True)
    try:
        assert requests.get(service, headers={"baggage": entry(mint(keys))}).status_code == 200
    finally:
        unsubscribe()
    assert "no room" in caplog.text


def test_refusals_are_logged_at_most_once_per_second_for_each_reason(
    service: str, keys: dict[str, Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthetic._admission.decision._refusals", ThrottledLog())
    bad = {"malformed": entry("forged"), "wrong-environment": entry(mint(keys, claims={"aud": "other"}))}

    def lines(reason: str) -> list[logging.LogRecord]:
        records = [record for record in caplog.records if record.name == "synthetic"]
        return [record for record in records if f"refused: {reason}." in record.getMessage()]

    sent = dict.fromkeys(bad, 0)
    with requests.Session() as session:
        while any(len(lines(reason)) < 2 for reason in bad):
            for reason in bad:
                if len(lines(reason)) < 2:
                    session.get(service, headers={"baggage": bad[reason]})
                    sent[reason] += 1
    for reason in bad:
        first, second = lines(reason)
        assert "more since" not in first.getMessage()
        held = f" ({sent[reason] - 2} more since the last such line)" if sent[reason] > 2 else ""
        assert second.getMessage() == f"{first.getMessage()}{held}"
        assert second.created - first.created > 0.99
