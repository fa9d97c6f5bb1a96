"""The policy: guards, ``allows``, refusals, warnings, and policy files."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

import synthetic
from synthetic import EffectRefused, Marker, UnverifiedMarker, allows, guard, is_synthetic, simulated
from synthetic.errors import ConfigurationError, SyntheticTrafficError
from synthetic.ledger import recorded
from tests.guards.contract import unverified

T = TypeVar("T")


@guard("payment")
def charge(amount: int) -> int:
    return amount


@pytest.mark.parametrize(
    ("action", "expected"),
    [(None, False), ("allow", True), ("skip", False), ("substitute", False), ("divert", False), ("refuse", False)],
)
def test_allows_is_true_only_for_allow(keys: dict[str, Any], action: str | None, expected: bool) -> None:
    synthetic.configure(keys=keys, policy={} if action is None else {"payment": action})
    with recorded() as outcomes, simulated(run="rush-hour"):
        assert allows("payment") is expected
    assert [(outcome.effect, outcome.target) for outcome in outcomes] == [("payment", None)]


def test_allows_is_true_for_real_work_and_records_nothing(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    with recorded() as outcomes:
        assert allows("payment") is True
    assert outcomes == []


def test_allows_raises_for_unverified_work() -> None:
    with unverified(), pytest.raises(UnverifiedMarker):
        allows("payment")


def test_work_inside_an_allowed_effect_is_still_simulated(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, policy={"data-mutation": "allow"})

    @guard("data-mutation")
    def store() -> tuple[bool, int | None]:
        return is_synthetic(), charge(5)

    with simulated(run="rush-hour"):
        assert store() == (True, None)


def test_the_policy_is_read_at_each_call(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    with simulated(run="rush-hour"):
        assert charge(5) is None
        with synthetic.configured(policy={"payment": "allow"}):
            assert charge(5) == 5
        assert charge(5) is None


def test_a_refusal_says_what_was_refused_and_why(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"}, environment="staging")
    with simulated(run="rush-hour", actor="rider-7"), pytest.raises(EffectRefused) as refused:
        charge(5)
    error = refused.value
    assert str(error) == (
        f"{__name__}:charge was not executed: it has the effect 'payment' and this work is simulated "
        "(run 'rush-hour'); the policy for 'staging' says refuse"
    )
    assert (error.effect, error.target) == ("payment", f"{__name__}:charge")
    assert error.marker == Marker("rush-hour", "simulation", "rider-7")
    assert isinstance(error, SyntheticTrafficError)


@pytest.mark.parametrize(
    ("action", "options", "why"),
    [
        ("substitute", {}, "says substitute, but the guard has no instead="),
        ("substitute", {"returns": 1}, "says substitute, but the guard has returns=, which is not a substitute"),
        ("divert", {"returns": 1}, "says divert, but no diversion is ready for 'payment'"),
    ],
)
def test_a_refusal_says_what_is_missing(keys: dict[str, Any], action: str, options: Any, why: str) -> None:
    synthetic.configure(keys=keys, policy={"payment": action})
    guarded: Any = guard("payment", **options)(lambda: None)
    with simulated(run="rush-hour"), pytest.raises(EffectRefused, match=why):
        guarded()


def test_errors_survive_pickling_with_their_facts(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    with simulated(run="rush-hour"), pytest.raises(EffectRefused) as refused:
        charge(5)
    again = pickle.loads(pickle.dumps(refused.value))
    assert type(again) is EffectRefused
    assert str(again) == str(refused.value)
    assert (again.effect, again.target, again.marker) == ("payment", refused.value.target, Marker("rush-hour"))
    with unverified(), pytest.raises(UnverifiedMarker) as raised:
        charge(5)
    assert pickle.loads(pickle.dumps(raised.value)).reason is raised.value.reason


def returns_int() -> int:
    return 1


def returns_optional() -> int | None:
    return 1


def returns_none() -> None:
    pass


def returns_any() -> Any:
    return 1


def returns_object() -> object:
    return 1


def returns_variable(value: T) -> T:
    return value


def returns_an_unknown_type() -> Unknown:  # type: ignore[name-defined]  # noqa: F821
    return 1


def without_annotation():  # type: ignore[no-untyped-def]
    return 1


async def returns_later() -> str:
    return "later"


def a_generator() -> Iterator[int]:
    yield 1


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_skipped_function_whose_annotation_excludes_none_warns_once(
    keys: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    synthetic.configure(keys=keys)
    guarded = guard("payment")(returns_int)
    guarded()
    assert warnings_of(caplog) == []
    with simulated(run="rush-hour"):
        assert (guarded(), guarded()) == (None, None)
    assert warnings_of(caplog) == [
        f"{__name__}:returns_int was skipped for simulated work and returned None, which its annotation excludes; "
        "give the guard returns= or instead="
    ]


def test_a_skipped_coroutine_function_whose_annotation_excludes_none_warns_once(
    keys: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    synthetic.configure(keys=keys)
    guarded = guard("payment")(returns_later)
    with simulated(run="rush-hour"):
        assert asyncio.run(guarded()) is None
        assert asyncio.run(guarded()) is None
    assert len(warnings_of(caplog)) == 1


@pytest.mark.parametrize(
    "function",
    [
        returns_optional,
        returns_none,
        returns_any,
        returns_object,
        lambda: returns_variable(1),
        returns_an_unknown_type,
        without_annotation,
        a_generator,
    ],
)
def test_a_skip_does_not_warn_when_the_annotation_allows_none(
    keys: dict[str, Any], caplog: pytest.LogCaptureFixture, function: Any
) -> None:
    synthetic.configure(keys=keys)
    with simulated(run="rush-hour"):
        guard("payment")(function)()
        guard("payment")(returns_variable)(1)
        guard("payment", returns=0)(returns_int)()
        guard("payment", instead=lambda: 0)(returns_int)()
    assert warnings_of(caplog) == []


def test_a_policy_file_has_one_table_per_environment(keys: dict[str, Any]) -> None:
    Path("policy.toml").write_text('[staging]\npayment = "allow"\n[production]\npayment = "refuse"\n')
    with synthetic.configured(keys=keys, policy="policy.toml", environment="staging"), simulated(run="rush-hour"):
        assert charge(5) == 5
    production = synthetic.configured(keys=keys, policy=Path("policy.toml"), environment="production")
    with production, simulated(run="rush-hour"), pytest.raises(EffectRefused):
        charge(5)


def test_the_error_for_a_policy_without_the_environment_lists_the_others() -> None:
    Path("policy.toml").write_text('[staging]\npayment = "allow"\n[production]\n')
    with pytest.raises(ConfigurationError, match=r"no table \[default\].* it has: production, staging"):
        synthetic.configure(policy="policy.toml")
    with pytest.raises(ConfigurationError, match=r"the policy has no table \[default\].* it has: staging"):
        synthetic.configure(policy={"staging": {"payment": "allow"}})


def test_a_dict_of_tables_is_read_like_a_policy_file(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, policy={"default": {"payment": "allow"}, "staging": {}})
    with simulated(run="rush-hour"):
        assert charge(5) == 5


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            {"payment": "deny"},
            "effect 'payment' has the unknown action 'deny'; the actions are allow, divert, refuse, skip",
        ),
        ({"payment": None}, "effect 'payment' has the unknown action None"),
        ({"payment": "skip", "default": {}}, "effect 'default' has the unknown action"),
        ("no-such-file.toml", "no-such-file.toml cannot be read: No such file"),
        (42, "a value of type int is not a policy; give a dict effect -> action"),
    ],
)
def test_the_error_for_a_wrong_policy_says_what_works(policy: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        synthetic.configure(policy=policy)
    assert raised.value.setting == "policy"


def test_the_error_for_a_policy_that_is_not_toml_names_the_line() -> None:
    Path("policy.toml").write_text("[default]\npayment = allow\n")
    with pytest.raises(ConfigurationError, match=r"policy\.toml is not TOML: .*line 2"):
        synthetic.configure(policy="policy.toml")


def test_a_skip_records_an_outcome_with_effect_target_service_and_marker(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, service="rides")
    with recorded() as outcomes, simulated(run="rush-hour", scenario="book"):
        charge(5)
    (outcome,) = outcomes
    assert outcome.target == f"{__name__}:charge"
    assert (outcome.effect, outcome.action, outcome.service, outcome.reason) == ("payment", "skip", "rides", None)
    assert outcome.marker == Marker("rush-hour", scenario="book")
