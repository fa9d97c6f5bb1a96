"""The configuration: one immutable value, replaced as a whole and read once per request or call."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from synthetic._hosts import HostRule
from synthetic._keys import KeySource, load_keys
from synthetic._policy import Policy, load_policy
from synthetic._settings import Raw, Sources, choice, flag, names, seconds, text
from synthetic._token import LONGEST_LIFETIME
from synthetic._watch import WatchedFile
from synthetic.errors import ConfigurationError

__all__ = ["Configuration", "OnMissing", "OnUnverified", "Settings", "active", "configure", "configured"]

OnUnverified = Literal["refuse", "strip"]
OnMissing = Literal["real", "refuse"]

_DAY = 86_400


@dataclass(frozen=True)
class Configuration:
    """What is in force. Every field is a setting; ``configure`` explains them."""

    keys: KeySource
    policy: Policy
    internal_hosts: HostRule
    halt: frozenset[str]
    halt_file: WatchedFile[frozenset[str]] | None
    service: str | None
    environment: str
    key: str
    issuer: str
    attribute: str
    edge: bool
    on_unverified: OnUnverified
    on_missing: OnMissing
    lifetime: float
    retention: float
    ready: Callable[[], bool] | None
    shed: Callable[[], bool] | None
    clock: Callable[[], float]

    def is_halted(self, run: str) -> bool:
        """Whether the run, or every run, is halted."""
        halted = self.halt if self.halt_file is None else self.halt | self.halt_file.content()
        return bool(halted) and ("all" in halted or run in halted)


class Settings(TypedDict, total=False):
    """The arguments of ``configured``: those of ``configure``."""

    keys: Mapping[str, Any] | str | Path | None
    policy: Mapping[str, Any] | str | Path | None
    service: str | None
    environment: str | None
    internal_hosts: Iterable[str] | None
    edge: bool | None
    on_unverified: OnUnverified | None
    on_missing: OnMissing | None
    halt: Iterable[str] | str | None
    halt_file: str | Path | None
    lifetime: float | str | None
    retention: float | str | None
    key: str | None
    issuer: str | None
    attribute: str | None
    ready: Callable[[], bool] | None
    shed: Callable[[], bool] | None
    clock: Callable[[], float] | None


_NAMES = tuple(Settings.__annotations__)
_ONLY_ARGUMENTS = ("ready", "shed", "clock")

_lock = threading.RLock()
_active: Configuration | None = None
_arguments: Settings = {}


def active() -> Configuration:
    """Return the configuration in force; the first call without ``configure`` reads the environment and the file."""
    config = _active
    return config if config is not None else _replace({}, only_first=True)


def is_configured() -> bool:
    """Whether a configuration is in force already."""
    return _active is not None


def configure(
    *,
    keys: Mapping[str, Any] | str | Path | None = None,
    policy: Mapping[str, Any] | str | Path | None = None,
    service: str | None = None,
    environment: str | None = None,
    internal_hosts: Iterable[str] | None = None,
    edge: bool | None = None,
    on_unverified: OnUnverified | None = None,
    on_missing: OnMissing | None = None,
    halt: Iterable[str] | str | None = None,
    halt_file: str | Path | None = None,
    lifetime: float | str | None = None,
    retention: float | str | None = None,
    key: str | None = None,
    issuer: str | None = None,
    attribute: str | None = None,
    ready: Callable[[], bool] | None = None,
    shed: Callable[[], bool] | None = None,
    clock: Callable[[], float] | None = None,
) -> None:
    """Replace the configuration of this process, atomically.

    Each setting is its argument, else the variable ``SYNTHETIC_<NAME>``, else its line in the TOML file that
    ``SYNTHETIC_CONFIG`` names or in ``./synthetic.toml``, else its default. It may be called before or after
    middleware is built and functions are guarded.

    Args:
        keys: a JWKS: a dict, its JSON text, or the path of its file, which is read again when it changes. Without
            keys nothing can be verified and every marker is refused.
        policy: effect -> action, as a dict, or the path of a TOML file with one table per environment. Actions are
            allow, skip, substitute, divert and refuse.
        service: this service's name, for telemetry and receipts.
        environment: the audience that a token must have, and the policy table in force (``default``).
        internal_hosts: the hosts that take part, which the marker may be sent to. Default: loopback, names of one
            label, and names under .svc, .cluster.local, .internal, .local and .localhost. ``["*"]`` is every host.
        edge: False where only services that take part can reach this one: then an expired token of work admitted
            earlier is still good (True).
        on_unverified: ``refuse``, or ``strip`` at an edge that strangers reach: what is not even a token of ours is
            removed, and the request is real. Needs keys.
        on_missing: ``real``, or ``refuse`` where everything must carry a marker.
        halt: run names to refuse, or ``all``.
        halt_file: the path of a file with such names, in force within a second of a change.
        lifetime: of the tokens signed here, in seconds or as in ``10m``; at most 24 hours (600).
        retention: for how long after its expiry a token stays good for admitted work (``7d``).
        key: the baggage key (``synthetic-traffic``).
        issuer: the ``iss`` of every token (``synthetic-traffic``).
        attribute: the name of the attribute on spans and log records (``user_agent.synthetic.type``).
        ready: called per simulated request; while it returns False, they are sent away for later.
        shed: called per simulated request; while it returns True, they are sent away for later.
        clock: returns the seconds since the epoch (``time.time``).

    Raises:
        ConfigurationError: a value cannot work; the message names the setting, where it came from, and a value that
            would. What was in force before stays in force.
    """
    given = {name: value for name, value in locals().items() if value is not None}
    _replace(cast("Settings", given))


@contextmanager
def configured(**settings: Any) -> Iterator[None]:
    """Change some settings for the length of a ``with`` block, for all threads: for tests.

    The arguments are those of ``configure``; a setting that is not given stays as it is. What was in force before
    the block is in force after it.
    """
    global _active, _arguments
    unknown = [name for name in settings if name not in _NAMES]
    if unknown:
        raise TypeError(f"configured() has no setting {unknown[0]!r}; the settings are {', '.join(_NAMES)}")
    with _lock:
        before = _active, _arguments
        _replace(cast("Settings", {**_arguments, **settings}))
    try:
        yield
    finally:
        with _lock:
            _active, _arguments = before


def _replace(arguments: Settings, *, only_first: bool = False) -> Configuration:
    global _active, _arguments
    with _lock:
        if only_first and _active is not None:
            return _active
        config = _build(Sources(cast("Mapping[str, object]", arguments), _NAMES))
        _check(config)
        _active, _arguments = config, arguments
        return config


def _build(sources: Sources) -> Configuration:
    for name in _ONLY_ARGUMENTS:
        raw = sources.raw(name)
        if raw is not None and not callable(raw.value):
            raise ConfigurationError(f"{name} (from {raw.source}): is not callable", setting=name, source=raw.source)
    name = text(r"[A-Za-z0-9._:-]{1,64}", "staging")
    environment = sources.read("environment", name, "default")
    return Configuration(
        keys=sources.read("keys", lambda raw: load_keys(raw.value, raw.base), KeySource()),
        policy=sources.read("policy", lambda raw: load_policy(raw.value, environment, raw.base), Policy()),
        internal_hosts=sources.read("internal_hosts", lambda raw: HostRule(names(raw)), HostRule()),
        halt=frozenset(sources.read("halt", names, ())),
        halt_file=sources.read("halt_file", _halt_file, None),
        service=sources.read("service", text(r"[^\x00-\x1f\x7f]{1,255}", "rides"), cast("Any", None)),
        environment=environment,
        key=sources.read("key", text(r"[A-Za-z0-9_.-]{1,64}", "synthetic-traffic"), "synthetic-traffic"),
        issuer=sources.read("issuer", text(r"[\x21-\x7e]{1,128}", "synthetic-traffic"), "synthetic-traffic"),
        attribute=sources.read(
            "attribute", text(r"[A-Za-z][\w.-]{0,127}", "synthetic.type"), "user_agent.synthetic.type"
        ),
        edge=sources.read("edge", flag, True),
        on_unverified=cast("OnUnverified", sources.read("on_unverified", choice("refuse", "strip"), "refuse")),
        on_missing=cast("OnMissing", sources.read("on_missing", choice("real", "refuse"), "real")),
        lifetime=sources.read("lifetime", seconds(2, LONGEST_LIFETIME), 600.0),
        retention=sources.read("retention", seconds(0, 365 * _DAY), 7.0 * _DAY),
        ready=sources.read("ready", _value, None),
        shed=sources.read("shed", _value, None),
        clock=sources.read("clock", _value, time.time),
    )


def _value(raw: Raw) -> Any:
    return raw.value


def _halt_file(raw: Raw) -> WatchedFile[frozenset[str]] | None:
    return WatchedFile(raw.base / raw.value, _halted_runs, absent=frozenset())


def _halted_runs(content: str) -> frozenset[str]:
    without_comments = re.sub(r"#.*", "", content)
    return frozenset(re.findall(r"[^,\s]+", without_comments))


def _check(config: Configuration) -> None:
    from synthetic._admission import check_entrances
    from synthetic._recorders import warn_about_recorders

    check_entrances(config)
    warn_about_recorders()
