"""Where our part in a call fails: real work goes on, and the log tells; no other work does."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import synthetic
from synthetic._egress.failure import go_on_after
from synthetic._model.reason import Reason
from synthetic._model.throttled import ThrottledLog
from synthetic.errors import ExternalCallRefused, SyntheticTrafficError, UnverifiedMarker
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import mint, shared_key


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any], configuration: None, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.configure(keys=keys)
    monkeypatch.setattr("synthetic._egress.failure._failures", ThrottledLog())


SAID = "moved"
"""What an error says may quote the header that it stumbled over."""


def failed() -> str:
    try:
        raise AttributeError(SAID)
    except AttributeError as error:
        return go_on_after(error, "as it is")


def test_undecided_and_real_work_goes_on_and_the_log_has_the_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert failed() == "as it is"
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("synthetic", "WARNING")
    assert "in failed" in caplog.text
    assert SAID not in caplog.text
    with synthetic.real():
        assert failed() == "as it is"


def test_a_failure_of_every_call_is_not_a_line_for_every_call(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(100):
        failed()
    assert len(caplog.records) == 1


class TimeLimitExceeded(Exception):
    """As task queues raise it in the middle of whatever a task does."""


def test_what_is_meant_for_the_work_is_no_failure_of_ours() -> None:
    with synthetic.real(), pytest.raises(TimeLimitExceeded):
        go_on_after(TimeLimitExceeded(), None)


def test_simulated_work_does_not_go_on() -> None:
    with synthetic.simulated(run="peak"), pytest.raises(AttributeError, match="moved"):
        failed()


def test_what_the_error_holds_is_let_go_with_it() -> None:
    class Connection:
        pass

    def call() -> weakref.ref[Connection]:
        connection = Connection()
        try:
            failed()
        except AttributeError:
            return weakref.ref(connection)
        raise AssertionError("it went on")

    gc.disable()
    try:
        with synthetic.simulated(run="peak"):
            assert call()() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("is_good", [True, False])
def test_work_whose_marker_only_opentelemetry_has_does_not_go_on(keys: dict[str, Any], is_good: bool) -> None:
    token = mint(keys if is_good else shared_key())
    with brought_by_opentelemetry(token), pytest.raises(AttributeError, match="moved"):
        failed()


@pytest.mark.parametrize(
    "refusal",
    [
        UnverifiedMarker(Reason.EXPIRED),
        ExternalCallRefused("no", effect="external-call", marker=None, target="vendor.example"),
    ],
)
def test_a_refusal_is_no_failure(refusal: SyntheticTrafficError) -> None:
    with synthetic.real(), pytest.raises(type(refusal)) as raised:
        go_on_after(refusal, None)
    assert raised.value is refusal
