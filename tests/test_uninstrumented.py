"""In a process that has not called ``instrument()``, simulated work is refused: nothing would carry its marker on."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import context

import synthetic
from synthetic import MessageRefused, UnverifiedMarker, admitted, is_synthetic, simulated
from synthetic._admission.decision import Refused
from synthetic._admission.entrance import Entrance
from synthetic._config.instrumented import INSTRUMENTED
from synthetic._model.reason import Reason
from synthetic.errors import ConfigurationError
from synthetic.propagation import SyntheticTrafficPropagator
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import entry, mint


@pytest.fixture(autouse=True)
def bare(keys: dict[str, Any], configuration: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("synthetic._admission.decision", "synthetic._work.claimed", "synthetic._work.scopes"):
        monkeypatch.setattr(f"{module}.INSTRUMENTED", INSTRUMENTED)
    synthetic.configure(keys=keys)


@pytest.fixture
def header(keys: dict[str, Any]) -> str:
    return entry(mint(keys))


def test_a_request_with_a_good_marker_is_refused(header: str) -> None:
    assert Entrance().decide([header]) == Refused(Reason.NOT_INSTRUMENTED)


def test_a_message_with_a_good_marker_is_refused_for_good(header: str) -> None:
    with pytest.raises(MessageRefused) as raised:
        admitted({"baggage": header})
    assert (raised.value.reason, raised.value.is_later) == (Reason.NOT_INSTRUMENTED, False)


def test_simulated_work_cannot_begin_and_the_error_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"synthetic\.instrument\(\)") as raised, simulated(run="rush-hour"):
        pass
    assert raised.value.setting == "uninstrumented"


def test_real_work_is_as_ever() -> None:
    with admitted({}):
        assert not is_synthetic()


def test_one_integration_is_a_choice_and_counts(header: str) -> None:
    synthetic.instrument("http-client")
    try:
        with simulated(run="rush-hour"), admitted({"baggage": header}):
            assert is_synthetic()
    finally:
        synthetic.uninstrument("http-client")
    assert Entrance().decide([header]) == Refused(Reason.NOT_INSTRUMENTED)


def test_a_service_that_calls_nothing_may_admit_it(keys: dict[str, Any], header: str) -> None:
    synthetic.configure(keys=keys, uninstrumented="admit")
    with simulated(run="rush-hour"), admitted({"baggage": header}):
        assert is_synthetic()


def test_a_marker_that_only_opentelemetry_has_extracted_is_refused(keys: dict[str, Any]) -> None:
    with brought_by_opentelemetry(mint(keys)), pytest.raises(UnverifiedMarker, match=r"call synthetic\.instrument\(\)"):
        is_synthetic()


def test_a_marker_that_the_propagator_extracts_is_refused(header: str) -> None:
    attached = context.attach(SyntheticTrafficPropagator().extract({"baggage": header}))
    try:
        with pytest.raises(UnverifiedMarker, match="not-instrumented"):
            is_synthetic()
    finally:
        context.detach(attached)


def test_a_halted_run_says_so_first(keys: dict[str, Any], header: str) -> None:
    synthetic.configure(keys=keys, halt="all")
    assert Entrance().decide([header]) == Refused(Reason.HALTED)


def test_a_subprocess_of_simulated_work_is_admitted_while_it_instruments(keys: dict[str, Any], header: str) -> None:
    import json

    script = "import synthetic; synthetic.instrument('concurrency'); print(synthetic.is_synthetic())"
    environ = {"SYNTHETIC_KEYS": json.dumps(keys), "BAGGAGE": header}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr
