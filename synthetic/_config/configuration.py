"""The configuration as an immutable value. It is replaced as a whole, and read once per request or call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from synthetic.errors import ConfigurationError

if TYPE_CHECKING:
    from synthetic._config.hosts import HostRule
    from synthetic._config.key_source import KeySource
    from synthetic._config.policy import Policy
    from synthetic._config.watched import WatchedFile

__all__ = ["ALL_RUNS", "Configuration", "OnMissing", "OnUnverified", "Undeclared", "Uninstrumented", "check_stripping"]

OnUnverified = Literal["refuse", "strip"]
OnMissing = Literal["real", "refuse"]
Uninstrumented = Literal["refuse", "admit"]
Undeclared = Literal["real", "refuse"]

ALL_RUNS: Final = "all"
"""The name that halts every run."""


class Configuration(NamedTuple):
    """The values of all settings, ready for use. ``settings.Settings`` explains each."""

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
    metrics_run: bool
    edge: bool
    on_unverified: OnUnverified
    on_missing: OnMissing
    uninstrumented: Uninstrumented
    undeclared: Undeclared
    lifetime: float
    retention: float
    workers: tuple[str, ...]
    remembered_tokens: int
    ready: Callable[[], bool] | None
    shed: Callable[[], bool] | Literal["auto"] | None
    shed_limit: int
    clock: Callable[[], float]

    def is_halted(self, run: str) -> bool:
        """Whether the run, or every run, is halted."""
        halted = self.halt if self.halt_file is None else self.halt | self.halt_file.content()
        return ALL_RUNS in halted or run in halted


def check_stripping(strips: bool, config: Configuration) -> None:
    """Raise ConfigurationError if unverified markers are to be removed, but there are no keys to verify markers."""
    if strips and config.keys.current() is None:
        raise ConfigurationError(
            "on_unverified='strip' needs keys: without them, no marker can be verified. Set keys "
            "(or SYNTHETIC_KEYS), or use on_unverified='refuse'.",
            setting="on_unverified",
        )
