"""A target: what ``[drive.NAME]`` says, and what it must not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic._cli.main import main
from synthetic.errors import ConfigurationError
from synthetic.integration import table_in_file
from synthetic_locust._target import Guardrails, HealthRule, Query, Target, read_target


def test_a_table_gives_a_target_with_its_defaults() -> None:
    target = read_target("staging", {"staging": {"host": "https://rides.staging.example/"}})
    assert target == Target(host="https://rides.staging.example", environment="staging", run="staging")
    assert target.health == HealthRule(60, 3, 0.95, 60, None)


def test_every_entry_is_read() -> None:
    table: dict[str, Any] = {
        "host": "https://rides.example",
        "environment": "production",
        "run": "rush-hour",
        "kind": "load",
        "users": 200,
        "rate": 5,
        "dial": "rides.dial",
        "preflight": ["/", "/payments/"],
        "acknowledge": False,
        "traces": 0.01,
        "health": {"window": "5m", "minimum": 10, "ratio": 0.99, "fresh": "2m", "notify": "https://hooks.example/x"},
        "stop_when": {
            "failing": True,
            "requests": 1_000_000,
            "time": "30m",
            "query": {"url": "http://prometheus:9090", "promql": "p99", "above": 0.4},
        },
    }
    assert read_target("production", {"production": table}) == Target(
        host="https://rides.example",
        environment="production",
        run="rush-hour",
        kind="load",
        users=200,
        rate=5.0,
        dial="rides.dial",
        preflight=("/", "/payments/"),
        acknowledge=False,
        traces=0.01,
        health=HealthRule(300, 10, 0.99, 120, "https://hooks.example/x"),
        stop_when=Guardrails(True, 1_000_000, 1800, Query("http://prometheus:9090", "p99", 0.4)),
    )
    assert read_target("x", {"x": {"preflight": False}}).preflight is None


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"host": "rides.example"}, "host = 'rides.example' is not a URL"),
        ({"hots": "https://rides.example"}, "there is no entry 'hots' in drive.x"),
        ({"users": 0}, "users = 0 is not a number from 1"),
        ({"kind": "stress"}, "kind = 'stress' is not one of: simulation, load"),
        ({"run": "rush hour"}, "run = 'rush hour' is not a name"),
        ({"preflight": ["health"]}, "is neither false nor a list of paths"),
        ({"traces": 2}, "traces = 2 is not a share from 0 to 1"),
        ({"health": {"window": "soon"}}, "window = 'soon'"),
        ({"health": 1}, "health is not a table"),
        ({"stop_when": {"query": {"url": "http://p:9090"}}}, "needs url, promql and above"),
        ({"stop_when": {"rquests": 1}}, "there is no entry 'rquests' in stop_when"),
        ("staging", "drive.x is not a table"),
        ({"kind": "load"}, "a load test needs a ceiling and an end"),
        ({"kind": "load", "users": 5}, "a load test needs a ceiling and an end"),
        ({"kind": "load", "dial": "a"}, "a load test needs a ceiling and an end"),
    ],
)
def test_what_is_wrong_is_named_with_what_works(table: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_target("x", {"x": table})
    assert problem in str(raised.value)


def test_a_load_test_with_a_ceiling_and_an_end_may_start() -> None:
    for end in ({"dial": "a"}, {"stop_when": {"time": "5m"}}, {"stop_when": {"requests": 10}}):
        read_target("x", {"x": {"kind": "load", "users": 5, **end}})


def test_an_unknown_target_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"no table \[drive.prod\].* it has: production, staging"):
        read_target("prod", {"staging": {}, "production": {}})


def test_targets_stand_in_the_file_beside_the_settings() -> None:
    Path("synthetic.toml").write_text("service = 'rides'\n[drive.staging]\nhost = 'http://localhost:1'\n")
    synthetic.configure()
    assert table_in_file("drive") == {"staging": {"host": "http://localhost:1"}}
    Path("synthetic.toml").write_text("drive = 1\n")
    with pytest.raises(ConfigurationError, match="not a table"):
        table_in_file("drive")


def test_the_command_says_which_target_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "rides.py", "--target", "staging"]) == 2
    assert "there is no table [drive.staging] in the configuration file; it has: none" in capsys.readouterr().err
