"""A flood of requests floods neither the log nor the memory."""

from __future__ import annotations

from typing import Any

import pytest

import synthetic
from synthetic._admission import problem
from synthetic._config.hosts import HostRule
from synthetic._egress.departure import depart
from synthetic._model import throttled
from synthetic._model.throttled import ThrottledLog
from synthetic.errors import ExternalCallRefused


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(throttled.time, "monotonic", lambda: now[0])
    return now


def test_refused_calls_to_ever_new_hosts_log_one_line_per_second_and_keep_nothing(
    keys: dict[str, Any], caplog: pytest.LogCaptureFixture, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problem, "_refused", ThrottledLog())
    synthetic.configure(keys=keys)
    with synthetic.simulated(run="rush-hour"):
        for number in range(1000):
            with pytest.raises(ExternalCallRefused) as raised:
                depart(f"//h{number}.evil.example", None)
            assert problem.problem_of(raised.value) is not None
    assert len([line for line in caplog.messages if "evil.example" in line]) == 1
    assert len(problem._refused._next) == len(problem._refused._held) == 1
    clock[0] += 1
    assert problem.problem_of(raised.value) is not None
    assert "(999 more since the last such line)" in caplog.messages[-1]


def test_ever_new_subjects_log_a_bounded_number_of_lines_and_are_forgotten(
    caplog: pytest.LogCaptureFixture, clock: list[float]
) -> None:
    log = ThrottledLog()
    for _ in range(3):
        caplog.clear()
        for number in range(1000):
            log.warn(f"{clock[0]} {number}", "flood")
        assert len(caplog.messages) <= throttled._SUBJECTS + 1
        assert len(log._next) <= throttled._SUBJECTS + 1
        assert len(log._held) <= throttled._SUBJECTS + 1
        clock[0] += 1
    caplog.clear()
    log.warn("one", "quiet")
    log.warn("one", "quiet")
    assert len(caplog.messages) == 1


def test_a_rule_remembers_no_host_that_is_too_long_for_a_name() -> None:
    rule = HostRule(["*"])
    for number in range(100):
        assert f"{number}{'x' * 300}.internal" not in rule
    assert not rule._known


@pytest.mark.parametrize("setting", ["ready", "clock"])
def test_a_function_of_the_application_that_fails_at_every_request_does_not_flood_the_log(
    keys: dict[str, Any], setting: Any, caplog: pytest.LogCaptureFixture, clock: list[float]
) -> None:
    from synthetic._admission.entrance import Entrance

    def fail() -> Any:
        raise RuntimeError("out of order")

    synthetic.configure(keys=keys)
    with synthetic.simulated(run="rush-hour"):
        marked = synthetic.headers()["baggage"]
    synthetic.configure(keys=keys, **{setting: fail})
    for _ in range(100):
        Entrance().decide([marked])
    assert sum("out of order" in line for line in caplog.messages) == 1
