"""The tables about ``[drive.NAME]`` name every entry, its default, and a value that works."""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields
from typing import Any

import pytest

from synthetic.errors import ConfigurationError
from synthetic.integration import duration
from synthetic_locust._target import Guardrails, HealthRule, Target, read_target
from tests.docs.pages import table_under

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = "docs/drive/simulate.md"
TABLES = {
    Target: table_under(PAGE, "## The target"),
    HealthRule: table_under(PAGE, "`[drive.NAME.health]` says when a journey is healthy:"),
    Guardrails: table_under(
        PAGE, "`[drive.NAME.stop_when]` lists guardrails. Each of them stops the run with exit code 3:"
    ),
}
ROWS = [(kind, row) for kind, rows in TABLES.items() for row in rows]
WITHOUT_EXAMPLE = {"dial": "users = 5\n", "kind": 'users = 5\ndial = "rides.dial"\n'}
"""What a load test needs beside its kind."""


def _toml(text: str) -> Any:
    return tomllib.loads(f"value = {text}")["value"]


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
def test_the_table_has_every_entry(kind: type[Any]) -> None:
    assert [row[0].strip("`") for row in TABLES[kind]] == [field.name for field in fields(kind)]


@pytest.mark.parametrize(
    ("kind", "row"), ROWS, ids=lambda value: value[0] if isinstance(value, list) else value.__name__
)
def test_the_table_has_the_default(kind: type[Any], row: list[str]) -> None:
    (field,) = [field for field in fields(kind) if field.name == row[0].strip("`")]
    shown = row[1].strip("`")
    if shown == "the name of the target":
        assert getattr(read_target("there", {"there": {}}), field.name) == "there"
    elif shown == "see below":
        assert field.default_factory is not MISSING
    elif shown == "none":
        assert field.default is None
    else:
        value = _toml(shown)
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        assert default == (duration(value, 0, 1e9) if field.type is not str and str(value).endswith("s") else value)


@pytest.mark.parametrize(
    ("kind", "row"), ROWS, ids=lambda value: value[0] if isinstance(value, list) else value.__name__
)
def test_the_example_works_and_is_not_the_default(kind: type[Any], row: list[str]) -> None:
    name, example = row[0].strip("`"), row[2].strip("`")
    table = {Target: "", HealthRule: "[health]\n", Guardrails: "[stop_when]\n"}[kind]
    more = WITHOUT_EXAMPLE.get(name, "") if kind is Target else ""
    target = read_target("there", {"there": tomllib.loads(f"{more}{table}{name} = {example}\n")})
    part = {Target: target, HealthRule: target.health, Guardrails: target.stop_when}[kind]
    assert getattr(part, name) != getattr(kind(), name)


def test_a_load_test_needs_what_the_page_says() -> None:
    for entries in ({}, {"users": 5}, {"dial": "rides.dial"}):
        with pytest.raises(ConfigurationError, match="a load test needs a ceiling and an end"):
            read_target("there", {"there": {"kind": "load", **entries}})
    for end in ({"dial": "rides.dial"}, {"stop_when": {"time": "30m"}}, {"stop_when": {"requests": 9}}):
        read_target("there", {"there": {"kind": "load", "users": 5, **end}})
