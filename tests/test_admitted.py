"""``admitted`` decides on a message from its headers alone."""

from __future__ import annotations

import pickle
from contextvars import Context
from email.message import Message
from typing import Any

import pytest
from multidict import CIMultiDict
from opentelemetry import baggage, context

import synthetic
from synthetic import ledger
from synthetic._admission.messages import verdict_on_values
from synthetic._model.verdict import REAL
from synthetic._work.state import VERDICT
from synthetic.errors import SyntheticTrafficError
from tests.support.keys import entry, mint, shared_key
from tests.support.markers import DAY, REFUSED, expired

Keys = dict[str, Any]


@pytest.fixture(autouse=True)
def takes_part(keys: Keys) -> None:
    synthetic.configure(keys=keys, service="worker")


def _message(*values: str) -> Message:
    message = Message()  # the type of the headers in http.server
    for value in values:
        message["Baggage"] = value
    return message


CARRIERS: dict[str, Any] = {
    "a mapping": lambda header: {"baggage": header},
    "bytes": lambda header: {"baggage": header.encode()},
    "name and value in bytes": lambda header: [(b"Baggage", header.encode())],
    "pairs": lambda header: [("x", "1"), ("baggage", header)],
    "an iterator of pairs": lambda header: iter([("baggage", header)]),
    "any case": lambda header: {"BAGGAGE": header},
    "a list of values": lambda header: {"baggage": ["vendor=1", header]},
    "two headers": lambda header: [("baggage", "vendor=1"), ("baggage", header)],
    "a multidict": lambda header: CIMultiDict([("baggage", "vendor=1"), ("Baggage", header)]),
    "a message's headers": lambda header: _message("vendor=1", header),
    "a memoryview": lambda header: {"baggage": memoryview(header.encode())},
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_good_marker_is_simulated_in_every_kind_of_carrier(keys: Keys, carrier: str) -> None:
    token = mint(keys, claims={"run": "peak"})
    with synthetic.admitted(CARRIERS[carrier](entry(token))) as marker:
        assert marker is not None
        assert marker == synthetic.current()
        assert synthetic.headers() == {"baggage": entry(token)}
        assert baggage.get_baggage("synthetic-traffic") == token
    assert synthetic.current() is None
    assert VERDICT.get() is None


@pytest.mark.parametrize("carrier", [None, {}, [], {"baggage": ""}, {"baggage": None}, {"baggage": 5}, {1: 2}])
def test_a_message_without_a_marker_is_explicitly_real_inside_a_simulation(carrier: Any) -> None:
    with synthetic.simulated(run="earlier"):
        with synthetic.admitted(carrier) as marker:
            assert marker is None
            assert VERDICT.get() is REAL
            assert "synthetic-traffic" not in baggage.get_all()
        assert synthetic.is_synthetic()


@pytest.mark.parametrize("kind", [kind for kind in REFUSED if kind != "expired"])
def test_a_bad_marker_raises_and_is_on_the_ledger(keys: Keys, kind: str) -> None:
    headers, reason = REFUSED[kind]
    with ledger.recorded() as outcomes, pytest.raises(synthetic.MessageRefused) as raised:
        synthetic.admitted(headers(keys))
    assert (raised.value.reason, raised.value.is_later) == (reason, False)
    assert "this message" in str(raised.value).partition(". ")[2]
    assert [(outcome.effect, outcome.reason, outcome.service) for outcome in outcomes] == [
        ("admission", reason, "worker")
    ]
    assert VERDICT.get() is None


@pytest.mark.parametrize(
    ("setting", "reason"), [({"shed": lambda: True}, "shed"), ({"ready": lambda: False}, "not-ready")]
)
def test_a_message_refused_while_shedding_or_not_ready_can_be_retried(keys: Keys, setting: Any, reason: str) -> None:
    synthetic.configure(keys=keys, **setting)
    with pytest.raises(synthetic.MessageRefused) as raised:
        synthetic.admitted({"baggage": entry(mint(keys))})
    assert (raised.value.reason, raised.value.is_later) == (reason, True)
    with synthetic.admitted({}):
        assert not synthetic.is_synthetic()


def test_the_error_names_the_reason_can_be_pickled_and_shows_no_token(keys: Keys) -> None:
    forged = mint(shared_key())
    with pytest.raises(SyntheticTrafficError, match="bad-signature") as raised:
        synthetic.admitted({"baggage": entry(forged)})
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (type(copy), copy.reason, str(copy)) == (synthetic.MessageRefused, raised.value.reason, str(raised.value))
    assert forged not in str(raised.value)


def test_a_halted_run_is_refused(keys: Keys) -> None:
    synthetic.configure(keys=keys, halt=["stopped"])
    with pytest.raises(synthetic.MessageRefused, match="halted"):
        synthetic.admitted({"baggage": entry(mint(keys, claims={"run": "stopped"}))})


def test_a_consumer_is_never_an_edge_and_never_strips(keys: Keys) -> None:
    synthetic.configure(keys=keys, edge=True, on_unverified="strip")
    with synthetic.admitted({"baggage": entry(mint(keys, claims=expired(6 * DAY)))}):
        assert synthetic.is_synthetic()
    with pytest.raises(synthetic.MessageRefused, match="expired"):
        synthetic.admitted({"baggage": entry(mint(keys, claims=expired(8 * DAY)))})
    with pytest.raises(synthetic.MessageRefused, match="malformed"):
        synthetic.admitted({"baggage": "synthetic-traffic=1"})


def test_an_unmarked_message_is_refused_when_markers_are_required(keys: Keys) -> None:
    synthetic.configure(keys=keys, on_missing="refuse")
    for carrier in (None, {}, {"baggage": "user=7"}):
        with pytest.raises(synthetic.MessageRefused, match="missing"):
            synthetic.admitted(carrier)


def test_an_admission_can_be_entered_only_once(keys: Keys) -> None:
    handling = synthetic.admitted({"baggage": entry(mint(keys))})
    with handling, pytest.raises(RuntimeError, match="admit it again"):
        handling.__enter__()
    assert not synthetic.is_synthetic()


def test_an_exception_leaves_no_verdict_behind(keys: Keys) -> None:
    before = context.get_current()
    with pytest.raises(ZeroDivisionError), synthetic.admitted({"baggage": entry(mint(keys))}):
        1 / 0  # noqa: B018
    assert VERDICT.get() is None
    assert context.get_current() == before


def test_leaving_an_admission_in_another_context_does_no_harm(keys: Keys) -> None:
    handling = synthetic.admitted({"baggage": entry(mint(keys))})
    Context().run(handling.__enter__)
    handling.__exit__(None, None, None)
    assert VERDICT.get() is None


def test_a_stale_opentelemetry_marker_does_not_make_a_message_simulated(keys: Keys) -> None:
    attached = context.attach(baggage.set_baggage("synthetic-traffic", mint(keys), baggage.set_baggage("user", "7")))
    try:
        with synthetic.admitted({}):
            assert not synthetic.is_synthetic()
            assert dict(baggage.get_all()) == {"user": "7"}
    finally:
        context.detach(attached)


def test_each_message_with_the_same_token_has_a_verdict_of_its_own(keys: Keys) -> None:
    headers = [entry(mint(keys))]
    first, second = verdict_on_values(headers), verdict_on_values(headers)
    assert first is not second
    assert first.marker == second.marker
