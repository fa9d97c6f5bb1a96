"""Admission: the table of the protocol, the settings of an entrance, and the records of a refusal."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic import ledger
from synthetic._admission.decision import AS_REAL, Refused
from synthetic._admission.entrance import Entrance
from synthetic._config import in_force
from synthetic._model.reason import Reason
from synthetic._model.throttled import ThrottledLog
from synthetic._model.verdict import Unverified
from synthetic._work.claimed import claimed_by
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic.errors import ConfigurationError, MessageRefused
from tests.support.keys import entry, mint, shared_key
from tests.support.servers import PATIENCE, uvicorn_server
from tests.support.wire import get

NOW = 1_800_000_000
DAY = 86_400
EDGE: dict[str, Any] = {}
INSIDE: dict[str, Any] = {"edge": False}


def decide(headers: Sequence[str], **entrance: Any) -> str:
    """Return "real", "simulated" or the reason."""
    decision = Entrance(**entrance).decide(headers)
    if isinstance(decision, Refused):
        return decision.reason.value
    return "simulated" if decision.verdict.marker else "real"


def made(keys: dict[str, Any], **claims: Any) -> str:
    return entry(mint(keys, claims={"iat": NOW, "exp": NOW + 600, **claims}))


@pytest.fixture
def service(keys: dict[str, Any]) -> dict[str, Any]:
    """A service with keys, at NOW."""
    synthetic.configure(keys=keys, clock=lambda: NOW)
    return keys


@pytest.mark.parametrize("entrance", [EDGE, INSIDE], ids=["edge", "inside"])
def test_a_request_without_our_entry_is_real(service: dict[str, Any], entrance: dict[str, Any]) -> None:
    assert decide((), **entrance) == "real"
    assert decide(("userId=alice", "k=v"), **entrance) == "real"


@pytest.mark.parametrize("entrance", [EDGE, INSIDE], ids=["edge", "inside"])
def test_a_good_token_is_simulated(service: dict[str, Any], entrance: dict[str, Any]) -> None:
    assert decide((made(service),), **entrance) == "simulated"


@pytest.mark.parametrize(
    ("past_expiry", "at_the_edge", "inside"),
    [
        (29, "simulated", "simulated"),
        (30, "expired", "simulated"),
        (7 * DAY, "expired", "simulated"),
        (7 * DAY + 29, "expired", "simulated"),
        (7 * DAY + 30, "expired", "expired"),
    ],
)
def test_the_edge_refuses_at_expiry_and_inner_services_after_the_retention_time(
    service: dict[str, Any], past_expiry: int, at_the_edge: str, inside: str
) -> None:
    expired = made(service, iat=NOW - past_expiry - 600, exp=NOW - past_expiry)
    assert (decide((expired,)), decide((expired,), edge=False)) == (at_the_edge, inside)


@pytest.mark.parametrize("entrance", [EDGE, INSIDE], ids=["edge", "inside"])
@pytest.mark.parametrize(
    ("claims", "headers", "reason"),
    [
        ({"aud": "production"}, {}, "wrong-environment"),
        ({"iss": "acme"}, {}, "wrong-issuer"),
        ({"iat": NOW + 31}, {}, "not-yet-valid"),
        ({"kind": "joy"}, {}, "invalid-claims"),
        ({}, {"typ": "JWT"}, "wrong-type"),
        ({}, {"kid": "gone"}, "unknown-key"),
    ],
)
def test_a_token_that_is_not_valid_here_is_refused_with_its_reason(
    service: dict[str, Any], entrance: dict[str, Any], claims: dict[str, Any], headers: dict[str, Any], reason: str
) -> None:
    token = mint(service, claims={"iat": NOW, "exp": NOW + 600, **claims}, headers=headers)
    assert decide((entry(token),), **entrance) == reason


def test_a_forged_token_is_refused_every_time(service: dict[str, Any]) -> None:
    forged = made(shared_key())
    assert [decide((forged,)) for _ in range(3)] == ["bad-signature"] * 3
    assert decide((made(service),)) == "simulated"


@pytest.mark.parametrize("entrance", [EDGE, INSIDE], ids=["edge", "inside"])
def test_without_keys_every_marker_is_refused(keys: dict[str, Any], entrance: dict[str, Any]) -> None:
    assert decide((made(keys),), **entrance) == "no-keys"
    assert decide(("x=1",), **entrance) == "real"


@pytest.mark.parametrize("halt", ["all", "rush-hour", "other,rush-hour", ["rush-hour"]])
def test_a_halted_run_is_refused(keys: dict[str, Any], halt: Any) -> None:
    synthetic.configure(keys=keys, clock=lambda: NOW, halt=halt)
    assert decide((made(keys),)) == decide((made(keys),), edge=False) == "halted"
    assert decide((made(keys, run="calm"),)) == ("halted" if halt == "all" else "simulated")
    assert decide(("x=1",)) == "real"


def test_creating_and_deleting_a_halt_file_takes_effect(
    keys: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthetic._config.watched._LOOK_AGAIN", 0.05)
    path = tmp_path / "halt"
    synthetic.configure(keys=keys, clock=lambda: NOW, halt_file=path)
    token = made(keys)
    assert decide((token,)) == "simulated"
    path.write_text("# stop it\nrush-hour\n")
    assert _eventually(lambda: decide((token,)) == "halted")
    path.unlink()
    assert _eventually(lambda: decide((token,)) == "simulated")


def _eventually(holds: Callable[[], bool]) -> bool:
    limit = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"ready": lambda: False}, "not-ready"),
        ({"ready": lambda: True}, "simulated"),
        ({"shed": lambda: True}, "shed"),
        ({"shed": lambda: False}, "simulated"),
        ({"ready": lambda: False, "shed": lambda: True}, "not-ready"),
        ({"ready": lambda: 1 / 0}, "not-ready"),
        ({"shed": lambda: 1 / 0}, "shed"),
    ],
)
def test_a_service_that_sheds_or_is_not_ready_defers_only_simulated_work(
    keys: dict[str, Any], settings: dict[str, Any], expected: str
) -> None:
    synthetic.configure(keys=keys, clock=lambda: NOW, **settings)
    assert decide((made(keys),)) == decide((made(keys),), edge=False) == expected
    assert decide(("x=1",)) == "real"
    assert decide((made(keys, aud="production"),)) == "wrong-environment"


def test_shed_is_only_called_for_work_with_a_good_marker(keys: dict[str, Any]) -> None:
    asked: list[int] = []
    synthetic.configure(keys=keys, clock=lambda: NOW, shed=lambda: bool(asked.append(1)))
    decide(("x=1",))
    decide((made(shared_key()),))
    assert asked == []
    decide((made(keys),))
    assert asked == [1]


def test_a_failing_ready_function_is_logged_and_defers_simulated_work(
    keys: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> bool:
        raise RuntimeError("no connection")

    synthetic.configure(keys=keys, clock=lambda: NOW, ready=broken)
    assert decide((made(keys),)) == "not-ready"
    (line,) = (record.getMessage() for record in caplog.records if record.levelno == logging.ERROR)
    assert "no connection" in line
    assert "refused until it works again" in line


def test_a_failing_clock_defers_simulated_work_and_leaves_real_work_alone(
    keys: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> float:
        raise RuntimeError("no time server")

    synthetic.configure(keys=keys, clock=broken)
    for entrance in (EDGE, INSIDE):
        assert [decide(headers, **entrance) for headers in ((), ("x=1",))] == ["real", "real"]
    assert decide((made(shared_key()),)) == "bad-signature"
    assert caplog.records == [] or all(record.levelno < logging.ERROR for record in caplog.records)
    with ledger.recorded() as outcomes:
        assert decide((made(keys),)) == decide((f"x=1,{made(keys)}",), edge=False) == "not-ready"
    assert [(o.reason, o.marker and o.marker.run) for o in outcomes] == [("not-ready", "rush-hour")] * 2
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert lines
    assert all("no time server" in line and "refused until it works again" in line for line in lines)


def test_a_failing_clock_gives_a_429_response_with_retry_after(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, clock=lambda: 1 / 0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    with uvicorn_server(SyntheticTrafficMiddleware(app), lifespan="off") as port:
        response = get(port, "/", [("baggage", entry(mint(keys)))])
        assert (response.status, response.json()["reason"]) == (429, "not-ready")
        assert response.values("retry-after")
        assert get(port, "/").status == 200


# The settings of an entrance override the configuration.


@pytest.mark.parametrize(
    ("configured", "given", "expected"),
    [
        (True, None, "expired"),
        (False, None, "simulated"),
        (True, False, "simulated"),
        (False, True, "expired"),
    ],
)
def test_an_entrance_may_override_the_edge_setting(
    keys: dict[str, Any], configured: bool, given: bool | None, expected: str
) -> None:
    synthetic.configure(keys=keys, clock=lambda: NOW, edge=configured)
    assert decide((made(keys, iat=NOW - 1200, exp=NOW - 600),), edge=given) == expected


@pytest.mark.parametrize(
    ("configured", "given", "expected"),
    [("real", None, "real"), ("refuse", None, "missing"), ("real", "refuse", "missing"), ("refuse", "real", "real")],
)
def test_an_entrance_may_override_on_missing(
    service: dict[str, Any], configured: Any, given: Any, expected: str
) -> None:
    synthetic.configure(keys=service, clock=lambda: NOW, on_missing=configured)
    assert decide((), on_missing=given) == decide(("x=1",), on_missing=given) == expected
    assert decide((made(service),), on_missing=given) == "simulated"


@pytest.mark.parametrize(
    ("configured", "given", "expected"),
    [
        ("refuse", None, "malformed"),
        ("strip", None, "real"),
        ("refuse", "strip", "real"),
        ("strip", "refuse", "malformed"),
    ],
)
def test_an_entrance_may_override_on_unverified(
    service: dict[str, Any], configured: Any, given: Any, expected: str
) -> None:
    with synthetic.configured(on_unverified=configured):
        assert decide(("synthetic-traffic=1",), on_unverified=given) == expected
        assert decide((made(service),), on_unverified=given) == "simulated"


def test_an_entrance_in_use_refuses_unmarked_work_for_as_long_as_a_marker_is_required() -> None:
    """The path of nearly every request skips the decision: it must not do so for a moment too long."""
    entrance = Entrance()
    entrance.open()
    for _ in range(2):
        for _ in range(2):
            assert entrance.decide(()) is AS_REAL
            assert entrance.open_under is in_force.config
        with synthetic.configured(on_missing="refuse"):
            for _ in range(2):
                assert entrance.decide(()) == Refused(Reason.MISSING)
                assert entrance.open_under is not in_force.config


def test_a_rejected_configuration_does_not_open_an_entrance() -> None:
    synthetic.configure(on_missing="refuse")
    entrance = Entrance()
    assert entrance.decide(()) == Refused(Reason.MISSING)
    with synthetic.configured(on_missing="real"):
        rejected = in_force.active()
    entrance.check(rejected)
    assert entrance.decide(()) == Refused(Reason.MISSING)
    assert entrance.open_under is not in_force.config


def test_an_entrance_uses_the_current_configuration(keys: dict[str, Any]) -> None:
    entrance = Entrance()
    assert entrance.decide((made(keys),)) == Refused(Reason.NO_KEYS)
    synthetic.configure(keys=keys, clock=lambda: NOW)
    decision = entrance.decide((made(keys),))
    assert not isinstance(decision, Refused)
    assert decision.verdict.marker == synthetic.Marker("rush-hour", "load")


@pytest.mark.parametrize("options", [{"on_unverified": "ignore"}, {"on_missing": "strip"}, {"on_unverified": True}])
def test_an_entrance_rejects_an_unknown_value_of_an_option(options: dict[str, Any]) -> None:
    ((name, value),) = options.items()
    with pytest.raises(ConfigurationError) as caught:
        Entrance(**options)
    assert caught.value.setting == name
    assert str(caught.value).startswith(f"{name}={value!r} is not one of: ")


# Stripping, for an edge that is open to the public.

NEEDS_KEYS = (
    "on_unverified='strip' needs keys: without them, no marker can be verified. Set keys (or SYNTHETIC_KEYS), or use "
    "on_unverified='refuse'."
)


def test_stripping_without_keys_is_an_error_at_start_up(keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        synthetic.configure(on_unverified="strip")
    assert str(caught.value) == NEEDS_KEYS
    with pytest.raises(ConfigurationError) as caught:
        Entrance(on_unverified="strip").open()
    assert str(caught.value) == NEEDS_KEYS


def test_configure_checks_an_entrance_that_was_built_earlier(
    keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_force, "config", None)
    monkeypatch.setattr(in_force, "is_declared", False)
    entrance = Entrance(on_unverified="strip")
    with pytest.raises(ConfigurationError, match="needs keys"):
        synthetic.configure()
    synthetic.configure(keys=keys, clock=lambda: NOW)
    decision = entrance.decide((made(keys),))
    assert not isinstance(decision, Refused)
    assert decision.verdict.marker is not None


def test_a_stripping_entrance_refuses_tokens_once_its_keys_are_gone(service: dict[str, Any]) -> None:
    entrance = Entrance(on_unverified="strip")
    synthetic.configure()
    assert entrance.decide((made(service),)) == Refused(Reason.NO_KEYS)


def test_only_entries_that_do_not_name_us_are_stripped(service: dict[str, Any]) -> None:
    def handed_on(*headers: str) -> object:
        decision = Entrance(on_unverified="strip").decide(headers)
        return decision.reason.value if isinstance(decision, Refused) else list(decision.onward or ())

    token = mint(service, claims={"iat": NOW, "exp": NOW + 600})
    head, payload, _ = token.split(".")
    assert handed_on("a=1 ,synthetic-traffic=true;p, b=2", "c=3") == ["a=1 , b=2", "c=3"]
    assert handed_on("synthetic-traffic=1,synthetic-traffic=2") == []
    assert handed_on("a=1,syn%74hetic-traffic=1") == ["a=1"]
    assert handed_on(entry(mint(service, headers={"typ": "JWT"}))) == []
    assert handed_on(entry(mint(shared_key("theirs"), claims={"iss": "acme"}))) == []
    assert handed_on(entry(mint(shared_key("theirs")))) == "unknown-key"
    assert handed_on(entry(f"{head}.{payload}.{'A' * 43}")) == "bad-signature"
    assert handed_on(entry(f"{head}.{payload}")) == "malformed"
    assert handed_on(entry(token), "synthetic-traffic=1") == "ambiguous"
    assert handed_on(f"syn%74hetic-traffic={token}") == "malformed"
    assert handed_on(f"\\x73ynthetic-traffic={token},b=\xff") == "malformed"


DISGUISES: dict[str, Callable[[str], str]] = {
    "dots in percent": lambda token: token.replace(".", "%2E"),
    "dots in lower-case percent": lambda token: token.replace(".", "%2e"),
    "double quotes": lambda token: f'"{token}"',
    "single quotes": lambda token: f"'{token}'",
    "quotes in percent": lambda token: f"%22{token}%22",
    "Bearer": lambda token: f"Bearer {token}",
    "Bearer in percent": lambda token: f"Bearer%20{token}",
    "Bearer in quotes": lambda token: f'"Bearer {token}"',
    "first byte in percent": lambda token: f"%{ord(token[0]):02X}{token[1:]}",
    "every byte in percent": lambda token: "".join(f"%{ord(letter):02x}" for letter in token),
    "first byte and dots in percent": lambda token: f"%{ord(token[0]):02x}{token[1:].replace('.', '%2e')}",
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_disguised_token_is_refused_and_not_stripped(service: dict[str, Any], disguise: str) -> None:
    token = mint(service, claims={"iat": NOW, "exp": NOW + 600})
    for value in (token, mint(shared_key(), claims={"iat": NOW, "exp": NOW + 600}), token.rpartition(".")[0]):
        for spelled in (DISGUISES[disguise](value), f"{DISGUISES[disguise](value)};p=1"):
            for header in (entry(spelled), f"a=1,{entry(spelled)},b=2", f"syn%74hetic-traffic={spelled}"):
                assert decide((header,), on_unverified="strip") in ("malformed", "too-long"), header
    theirs = mint(shared_key("theirs"), claims={"iss": "acme", "iat": NOW, "exp": NOW + 600})
    assert decide((entry(DISGUISES[disguise](theirs)),), on_unverified="strip") == "real"


@pytest.mark.parametrize("end", range(1, 40))
def test_a_token_truncated_by_a_proxy_never_becomes_real(service: dict[str, Any], end: int) -> None:
    token = mint(service, claims={"iat": NOW, "exp": NOW + 600})
    assert decide((entry(token[:-end]),), on_unverified="strip") in ("bad-signature", "malformed")


def test_a_stripped_request_is_refused_when_markers_are_required(service: dict[str, Any]) -> None:
    assert decide(("synthetic-traffic=1",), on_unverified="strip", on_missing="refuse") == "missing"


# Replays


def test_a_captured_marker_is_useless_elsewhere_and_after_expiry(keys: dict[str, Any]) -> None:
    now = [NOW]
    captured = made(keys)
    synthetic.configure(keys=keys, clock=lambda: now[0])
    assert decide((captured,)) == "simulated"
    now[0] += 630
    assert decide((captured,)) == "expired"
    now[0] = NOW
    assert decide((captured,)) == "simulated"
    with synthetic.configured(environment="production"):
        assert decide((captured,)) == "wrong-environment"
    with synthetic.configured(issuer="acme"):
        assert decide((captured,)) == "wrong-issuer"
    with synthetic.configured(halt="rush-hour"):
        assert decide((captured,)) == "halted"
    with synthetic.configured(keys=shared_key("rotated")):
        assert decide((captured,)) == "unknown-key"


# Records of a refusal


def test_every_refusal_is_on_the_ledger_with_its_marker_if_known(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, clock=lambda: NOW, service="rides", halt="halted-run")
    with ledger.recorded() as outcomes:
        decide((made(keys, run="halted-run"),))
        decide((made(shared_key()),))
        decide((made(keys),))
        decide(("x=1",))
    assert [(one.effect, one.reason, one.service) for one in outcomes] == [
        ("admission", Reason.HALTED, "rides"),
        ("admission", Reason.BAD_SIGNATURE, "rides"),
    ]
    assert outcomes[0].marker == synthetic.Marker("halted-run", "load")
    assert outcomes[1].marker is None


def test_refusals_are_logged_once_per_second_with_a_count_and_no_token(
    service: dict[str, Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthetic._admission.decision._refusals", ThrottledLog())
    forged = made(shared_key())
    began = time.monotonic()
    sent = 0
    while "held back" not in caplog.text and "more since" not in caplog.text:
        decide((forged,))
        sent += 1
        assert time.monotonic() < began + PATIENCE
    lines = [record.getMessage() for record in caplog.records]
    told = "refused: bad-signature. The simulation marker of this work cannot be verified"
    assert [line.startswith(told) for line in lines] == [True, True]
    assert lines[1].endswith(f" ({sent - 2} more since the last such line)")
    assert forged.split(".")[1] not in caplog.text
    decide((made(service, aud="production"),))
    told = (
        "refused: wrong-environment. The simulation marker of this work is signed for another environment. Its run is "
    )
    assert caplog.records[-1].getMessage().startswith(told)


def test_decisions_and_configurations_show_no_token_or_key_in_their_repr(service: dict[str, Any]) -> None:
    token = mint(service, claims={"iat": NOW, "exp": NOW + 600})
    for headers in ([entry(token)], ["a=1", entry(token)]):
        decision = Entrance().decide(headers)
        assert not isinstance(decision, Refused)
        assert token not in repr(decision)
    assert decision.onward is not None
    assert json.dumps(service["keys"][0]["k"]) not in repr(in_force.active())


LONG = ["x=" + "y" * 40_000, "z=" + "y" * 40_000]


@pytest.mark.parametrize(
    "entrance", [EDGE, INSIDE, {"on_unverified": "strip"}, {"on_missing": "refuse"}], ids=["edge", "in", "strip", "all"]
)
def test_headers_of_more_than_64_kib_are_refused_whatever_they_hold(
    service: dict[str, Any], entrance: dict[str, Any]
) -> None:
    with ledger.recorded() as outcomes:
        assert decide(LONG, **entrance) == "too-long"
        assert decide([made(service), *LONG], **entrance) == "too-long"
    assert [outcome.reason for outcome in outcomes] == [Reason.TOO_LONG, Reason.TOO_LONG]


def test_headers_of_more_than_64_kib_are_refused_without_keys_too() -> None:
    assert decide(LONG) == "too-long"


def test_messages_and_extracted_carriers_with_more_than_64_kib_are_not_verified(service: dict[str, Any]) -> None:
    with pytest.raises(MessageRefused) as refused:
        synthetic.admitted([("baggage", value) for value in LONG])
    assert refused.value.reason is Reason.TOO_LONG
    claimed = claimed_by(LONG)
    assert isinstance(claimed, Unverified)
    assert claimed.reason is Reason.TOO_LONG


def test_a_request_of_64_kib_is_searched(service: dict[str, Any]) -> None:
    ours = made(service)
    header = "x=" + "y" * (65_536 - len(ours) - 3) + "," + ours
    assert decide([header]) == "simulated"
    assert decide([header, "a"]) == "too-long"


@pytest.mark.parametrize("name", ["syn%2574hetic-traffic", "%%37%33ynthetic-traffic", "\xef\xbb\xbfsynthetic-traffic"])
def test_a_key_that_later_hops_make_ours_is_refused_or_removed(service: dict[str, Any], name: str) -> None:
    token = made(service).partition("=")[2]
    assert decide([f"a=1,{name}={token}"]) == "malformed"
    assert decide([f"a=1,{name}={token}"], on_unverified="strip") == "malformed"
    assert decide([f"a=1,{name}=1"]) == "malformed"
    assert decide([f"a=1,{name}=1"], on_unverified="strip") == "real"


def test_more_actors_are_remembered_on_request(keys: dict[str, Any]) -> None:
    with synthetic.configured(keys=keys, remembered_tokens=2_000):
        present = in_force.active().keys.current()
        assert present is not None
        assert present.verified.limit == 2_000
