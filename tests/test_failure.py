"""If our hook fails, real calls continue with a warning in the log. All other calls raise."""

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
"""The message of the error. It may quote a header, so it is never logged."""


def failed() -> str:
    try:
        raise AttributeError(SAID)
    except AttributeError as error:
        return go_on_after(error, "as it is")


def test_undecided_and_real_work_continue_and_the_traceback_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert failed() == "as it is"
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("synthetic", "WARNING")
    assert "in failed" in caplog.text
    assert SAID not in caplog.text
    with synthetic.real():
        assert failed() == "as it is"


def test_repeated_failures_are_throttled_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(100):
        failed()
    assert len(caplog.records) == 1


class TimeLimitExceeded(Exception):
    """An exception that task queues raise in the middle of a task."""


def test_an_exception_meant_for_the_application_is_raised() -> None:
    with synthetic.real(), pytest.raises(TimeLimitExceeded):
        go_on_after(TimeLimitExceeded(), None)


def test_a_failure_raises_in_simulated_work() -> None:
    with synthetic.simulated(run="peak"), pytest.raises(AttributeError, match="moved"):
        failed()


def test_objects_held_by_the_error_are_released_with_it() -> None:
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
def test_a_failure_raises_in_work_that_only_opentelemetry_marks(keys: dict[str, Any], is_good: bool) -> None:
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
def test_a_refusal_is_raised_even_for_real_work(refusal: SyntheticTrafficError) -> None:
    with synthetic.real(), pytest.raises(type(refusal)) as raised:
        go_on_after(refusal, None)
    assert raised.value is refusal
