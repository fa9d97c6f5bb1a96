"""The configuration, made of what the sources give: loaded when it is first needed."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from synthetic._config import ALL_RUNS, Configuration, OnMissing, OnUnverified
from synthetic._hosts import HostRule
from synthetic._keys import KeySource, load_keys
from synthetic._marker import is_name
from synthetic._policy import Policy, load_policy
from synthetic._recorders import warn_about_recorders
from synthetic._settings import Raw, Sources, choice, flag, names, seconds, text
from synthetic._token import LONGEST_LIFETIME
from synthetic._watch import WatchedFile
from synthetic.errors import ConfigurationError

__all__ = ["build"]

_ONLY_ARGUMENTS = ("ready", "shed", "clock")
_DAY = 86_400
_NOT_RUNS = ("1", "true", "yes", "on", "*")
"""What somebody may write who means ``all``."""

_log = logging.getLogger("synthetic")


def build(arguments: Mapping[str, object], known: tuple[str, ...]) -> Configuration:
    """Return the configuration that the sources give. Raises ConfigurationError."""
    sources = Sources(arguments, known)
    for name in _ONLY_ARGUMENTS:
        raw = sources.raw(name)
        if raw is not None and not callable(raw.value):
            raise ConfigurationError(
                f"{name} (from {raw.source}): is not callable; it is given in code, as in configure({name}=function)",
                setting=name,
                source=raw.source,
            )
    environment = sources.read("environment", text(r"[A-Za-z0-9._:-]{1,64}", "staging"), "default")
    config = Configuration(
        keys=sources.read("keys", lambda raw: load_keys(raw.value, raw.base), KeySource()),
        policy=sources.read("policy", lambda raw: load_policy(raw.value, environment, raw.base), Policy()),
        internal_hosts=sources.read("internal_hosts", lambda raw: HostRule(names(raw)), HostRule()),
        halt=sources.read("halt", lambda raw: frozenset(map(_halted, names(raw))), frozenset[str]()),
        halt_file=sources.read("halt_file", _halt_file, None),
        service=sources.read("service", text(r"[^\x00-\x1f\x7f]{1,255}", "rides"), cast("Any", None)),
        environment=environment,
        key=sources.read("key", _baggage_key, "synthetic-traffic"),
        issuer=sources.read("issuer", text(r"[\x21-\x7e]{1,128}", "synthetic-traffic"), "synthetic-traffic"),
        attribute=sources.read(
            "attribute", text(r"[A-Za-z][\w.-]{0,127}", "synthetic.type"), "user_agent.synthetic.type"
        ),
        edge=sources.read("edge", flag, True),
        on_unverified=cast("OnUnverified", sources.read("on_unverified", choice("refuse", "strip"), "refuse")),
        on_missing=cast("OnMissing", sources.read("on_missing", choice("real", "refuse"), "real")),
        lifetime=sources.read("lifetime", seconds(2, LONGEST_LIFETIME), 600.0),
        retention=sources.read("retention", seconds(0, 365 * _DAY), 7.0 * _DAY),
        linger=sources.read("linger", seconds(0, 365 * _DAY), 300.0),
        ready=sources.read("ready", _value, None),
        shed=sources.read("shed", _value, None),
        clock=sources.read("clock", _value, time.time),
    )
    warn_about_recorders()
    return config


def _baggage_key(raw: Raw) -> str:
    if isinstance(raw.value, Path) or str(raw.value).endswith((".jwks", ".json")):
        raise ValueError(f"{str(raw.value)!r} is the name of a file; key is the baggage key. Did you mean keys?")
    return text(r"[A-Za-z0-9_.-]{1,64}", "synthetic-traffic")(raw)


def _value(raw: Raw) -> Any:
    return raw.value


def _halt_file(raw: Raw) -> WatchedFile[frozenset[str]]:
    if not isinstance(raw.value, (str, Path)):
        raise ValueError(f"{raw.value!r} is not the path of a file; a value that works: 'halted.txt'")
    path = raw.base / raw.value
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist, so nothing could be halted there")
    try:
        return WatchedFile(path, _halted_runs, absent=frozenset())
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error


def _halted_runs(content: bytes) -> frozenset[str]:
    try:
        found = re.findall(r"[^,\s]+", re.sub(r"#.*", "", content.decode("utf-8-sig")))
        return frozenset(map(_halted, found))
    except ValueError as error:
        # Whoever wrote this wanted to stop something: simulated requests that are refused do no harm.
        _log.error("the halt file is not understood, and halts every run: %s", error)
        return frozenset({ALL_RUNS})


def _halted(name: str) -> str:
    if name.lower() == ALL_RUNS:
        return ALL_RUNS
    if name.lower() in _NOT_RUNS or not is_name(name):
        raise ValueError(f"{name!r} is not the name of a run; values that work: 'all' for every run, 'rush-hour'")
    return name
