"""The configuration: one immutable value, replaced as a whole and read once per request or call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, cast

from synthetic.errors import ConfigurationError

if TYPE_CHECKING:
    from synthetic._hosts import HostRule
    from synthetic._keys import KeySource
    from synthetic._policy import Policy
    from synthetic._watch import WatchedFile

__all__ = ["ALL_RUNS", "Configuration", "OnMissing", "OnUnverified", "Settings", "active", "configure", "configured"]

OnUnverified = Literal["refuse", "strip"]
OnMissing = Literal["real", "refuse"]

ALL_RUNS = "all"
"""What halts every run."""


class Configuration(NamedTuple):
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
    linger: float
    ready: Callable[[], bool] | None
    shed: Callable[[], bool] | None
    clock: Callable[[], float]

    def is_halted(self, run: str) -> bool:
        """Whether the run, or every run, is halted."""
        halted = self.halt if self.halt_file is None else self.halt | self.halt_file.content()
        return ALL_RUNS in halted or run in halted


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
    linger: float | str | None
    key: str | None
    issuer: str | None
    attribute: str | None
    ready: Callable[[], bool] | None
    shed: Callable[[], bool] | None
    clock: Callable[[], float] | None


_NAMES = tuple(Settings.__annotations__)

_lock = threading.RLock()
in_force: Configuration | None = None
"""For the hot path, which asks ``in_force or active()``; only ``configure`` writes it."""
is_declared = False
"""Whether ``configure`` was called. Before, what is in force may lack what it is about to be given."""
_arguments: Settings = {}


def active() -> Configuration:
    """Return the configuration in force; the first call without ``configure`` reads the environment and the file."""
    config = in_force
    return config if config is not None else _replace({}, only_first=True)


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
    linger: float | str | None = None,
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
        policy: effect -> action, as a dict, or one such table per environment, or the path of a TOML file with those.
            Actions are allow, skip, substitute, divert and refuse.
        service: this service's name, on every outcome of the ledger.
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
        linger: for how long after the end of its request a verdict may be used before that is reported (``5m``).
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
def configured(**settings: Any) -> Generator[None, None, None]:
    """Change some settings for the length of a ``with`` block, for all threads: for tests.

    The arguments are those of ``configure``; a setting that is not given stays as it is. What was in force before
    the block is in force after it.
    """
    global in_force, _arguments
    unknown = [name for name in settings if name not in _NAMES]
    if unknown:
        raise TypeError(f"configured() has no setting {unknown[0]!r}; the settings are {', '.join(_NAMES)}")
    with _lock:
        before = in_force, _arguments
        _replace(cast("Settings", {**_arguments, **settings}))
    try:
        yield
    finally:
        with _lock:
            in_force, _arguments = before


def _replace(arguments: Settings, *, only_first: bool = False) -> Configuration:
    global in_force, is_declared, _arguments
    from synthetic._build import build

    with _lock:
        if only_first and in_force is not None:
            return in_force
        try:
            config = build(cast("Mapping[str, object]", arguments), _NAMES)
            if not only_first:
                _check_entrances(config)
        except ConfigurationError as error:
            # What reports errors with local variables must not find keys in those of the frames below.
            raise error.with_traceback(None) from None
        in_force, _arguments = config, arguments
        is_declared = is_declared or not only_first
        return config


def _check_entrances(config: Configuration) -> None:
    from synthetic._admission import check_entrances

    check_entrances(config)
