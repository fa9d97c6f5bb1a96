"""A target: what ``[drive.NAME]`` in ``synthetic.toml`` says about one system to simulate users in.

Every entry has one line here: its reader, and its default. What is wrong raises ConfigurationError, which names the
entry and a value that works.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Annotated, Any, Final, TypeVar, cast, get_args, get_type_hints
from urllib.parse import urlsplit

from synthetic.errors import ConfigurationError
from synthetic.integration import duration

# Not postponed: the annotations of the tables are read.
__all__ = ["Guardrails", "HealthRule", "Query", "Target", "read_target"]

T = TypeVar("T")

KINDS: Final = ("simulation", "load", "monitor", "replay", "test")
_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


def _name(value: object) -> str:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise ValueError("is not a name of 1 to 64 characters of [A-Za-z0-9._:-]; for example: 'staging-rides'")
    return value


def _kind(value: object) -> str:
    if value not in KINDS:
        raise ValueError(f"is not one of: {', '.join(KINDS)}")
    return str(value)


def _url(value: object) -> str:
    if not isinstance(value, str) or urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname:
        raise ValueError("is not a URL; for example: 'https://rides.example'")
    return value.rstrip("/")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("is not text")
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("is not a number from 1; for example: 200")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("is not a number; for example: 0.4")
    return float(value)


def _rate(value: object) -> float:
    number = _number(value)
    if not 0 < number < inf:
        raise ValueError("is not a number of users per second; for example: 10")
    return number


def _share(value: object) -> float:
    number = _number(value)
    if not 0 <= number <= 1:
        raise ValueError("is not a share from 0 to 1; for example: 0.95")
    return number


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def _seconds(value: object) -> float:
    return duration(value, 0.1, 365 * 86_400)


def _paths(value: object) -> tuple[str, ...] | None:
    if value is False:
        return None
    listed: Any = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(_is_path(path) for path in cast("list[object]", listed)):
        raise ValueError("is neither false nor a list of paths; for example: ['/', '/payments/']")
    return tuple(cast("list[str]", listed))


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/")


@dataclass(frozen=True, slots=True)
class HealthRule:
    """When a journey counts as healthy (``[drive.NAME.health]``). Times are in seconds."""

    window: Annotated[float, _seconds] = 60.0
    minimum: Annotated[int, _count] = 3
    ratio: Annotated[float, _share] = 0.95
    fresh: Annotated[float, _seconds] = 60.0
    notify: Annotated[str | None, _url] = None
    """Where each change of health is posted to."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question to Prometheus about real traffic: the run stops if the answer is above ``above``, or missing."""

    url: Annotated[str, _url] = ""
    promql: Annotated[str, _text] = ""
    above: Annotated[float, _number] = 0.0


def _query(value: object) -> Query:
    query = _read(Query, value, "query")
    if not query.url or not query.promql or "above" not in cast("Mapping[str, Any]", value):
        raise ValueError(
            "needs url, promql and above; for example: { url = 'http://prometheus:9090', promql = '...', above = 0.4 }"
        )
    return query


@dataclass(frozen=True, slots=True)
class Guardrails:
    """What ends a run (``[drive.NAME.stop_when]``). Times are in seconds."""

    failing: Annotated[bool, _flag] = False
    requests: Annotated[int | None, _count] = None
    time: Annotated[float | None, _seconds] = None
    query: Annotated[Query | None, _query] = None


def _health(value: object) -> HealthRule:
    return _read(HealthRule, value, "health")


def _guardrails(value: object) -> Guardrails:
    return _read(Guardrails, value, "stop_when")


@dataclass(frozen=True, slots=True)
class Target:
    """One system to simulate users in, and how."""

    host: Annotated[str | None, _url] = None
    environment: Annotated[str | None, _name] = None
    """The audience of the tokens. None means the configured one."""
    run: Annotated[str, _name] = "drive"
    kind: Annotated[str, _kind] = "simulation"
    users: Annotated[int | None, _count] = None
    """How many actors act; with a dial, the most that it may ask for."""
    rate: Annotated[float, _rate] = 10.0
    """How many actors start each second."""
    dial: Annotated[str | None, _text] = None
    """The path or URL of the dial."""
    preflight: Annotated[tuple[str, ...] | None, _paths] = ("/",)
    """The paths that are asked before the first actor acts; None if nothing is."""
    acknowledge: Annotated[bool, _flag] = True
    """Whether each answer has to say that it was handled as simulated."""
    uncovered: Annotated[bool, _flag] = False
    """Whether users may act whose clients carry no marker."""
    traces: Annotated[float, _share] = 1.0
    """The share of journeys whose requests ask services to record a trace."""
    health: Annotated[HealthRule, _health] = field(default_factory=HealthRule)
    stop_when: Annotated[Guardrails, _guardrails] = field(default_factory=Guardrails)

    def check(self) -> None:
        """Raise ConfigurationError for a load test that nothing limits."""
        limits = self.stop_when
        if self.kind == "load" and not (self.users and (self.dial or limits.time or limits.requests)):
            raise ConfigurationError(
                "a load test needs a ceiling and an end: set users, and one of dial, stop_when.time (for example "
                "'30m') and stop_when.requests."
            )


def read_target(name: str, tables: Mapping[str, Any]) -> Target:
    """Return the target ``[drive.NAME]`` of the tables under ``drive``. Raises ConfigurationError."""
    if name not in tables:
        known = ", ".join(sorted(tables)) or "none"
        raise ConfigurationError(f"there is no table [drive.{name}] in the configuration file; it has: {known}")
    defaults = {"environment": name, "run": name}
    table: Any = tables[name]
    try:
        if isinstance(table, dict):
            table = {**defaults, **cast("dict[str, Any]", table)}
        target = _read(Target, table, f"drive.{name}")
    except ValueError as error:
        raise ConfigurationError(f"[drive.{name}]: {error}") from error
    target.check()
    return target


def _read(kind: type[T], value: object, where: str) -> T:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} is not a table")
    readers = {name: get_args(hint)[1] for name, hint in get_type_hints(kind, include_extras=True).items()}
    read: dict[str, Any] = {}
    for name, given in cast("Mapping[str, Any]", value).items():
        if name not in readers:
            raise ValueError(f"there is no entry {name!r} in {where}; the entries are {', '.join(readers)}")
        try:
            read[name] = readers[name](given)
        except ValueError as error:
            raise ValueError(f"{name} = {given!r} {error}") from error
    return kind(**read)
