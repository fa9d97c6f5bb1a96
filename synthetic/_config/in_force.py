"""The configuration in force in this process: ``configure`` replaces it, everything else reads it."""

from __future__ import annotations

import sys
import threading
import traceback
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, cast

from synthetic import ledger
from synthetic._config.configuration import Configuration, check_stripping
from synthetic.errors import ConfigurationError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from synthetic._config.settings import Settings

__all__ = ["active", "check_when_configured", "configure", "configured"]

_lock = threading.RLock()
config: Configuration | None = None
"""For the hot path, which reads ``in_force.config or in_force.active()``. Only this module sets it."""
is_declared = False
"""Whether ``configure`` was called. Until then, settings may still be missing."""


class _Given:
    """The arguments of a configuration. Its repr does not show them: they may hold a key."""

    __slots__ = ("settings",)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


_given = _Given({})


def active() -> Configuration:
    """Return the configuration in force. The first call without ``configure`` reads the environment and the file."""
    present = config
    return present if present is not None else _replace(_Given({}), only_first=True)


def configure(**settings: Unpack[Settings]) -> None:
    """Replace the configuration of this process, all at once.

    Each setting comes from its argument; else from the variable ``SYNTHETIC_<NAME>``; else from its line in the TOML
    file that ``SYNTHETIC_CONFIG`` names, or in ``./synthetic.toml``; else it has its default. The page *Configuration*
    lists all settings. You may call this before or after you build middleware and guard functions.

    An invalid setting raises ConfigurationError. The message names the setting, where the value came from, and a value
    that works; the previous configuration stays active. An unknown setting raises TypeError.
    """
    given = _Given(settings)
    del settings
    _replace(given, of="configure")


@contextmanager
def configured(**settings: Unpack[Settings]) -> Generator[None, None, None]:
    """Change some settings for the length of a ``with`` block, for all threads. Use it in tests.

    The arguments and errors are those of ``configure``. A setting that you do not give keeps its value. When the block
    ends, the previous configuration is active again.
    """
    given = _Given(settings)
    del settings
    with _lock:
        before = config, _given
        given.settings = cast("Settings", {**_given.settings, **given.settings})
        _replace(given, of="configured")
    try:
        yield
    finally:
        with _lock:
            _put_in_force(*before)


def _replace(given: _Given, *, of: str = "", only_first: bool = False) -> Configuration:
    global is_declared
    from synthetic._config.settings import build, check_names  # importing the library does not read settings

    handled = sys.exc_info()[1]
    try:
        check_names(given.settings, of)
        with _lock:
            if only_first and config is not None:
                return config
            built = build(given.settings)
            if not only_first:
                _check_waiting(built)
            _put_in_force(built, given)
            is_declared = is_declared or not only_first
            return built
    except Exception as error:
        _forget(error, handled)
        raise


def _forget(error: BaseException, handled: BaseException | None) -> None:
    """Remove keys from ``error``: error reports may include local variables, and what an error was caused by.

    The frames and errors below ``handled``, which the caller handles at the moment, are the caller's.
    """
    cause: BaseException | None = error
    while cause is not None and cause is not handled:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, ConfigurationError):  # its message says all; a cause may quote what it could not read
        error.__cause__, error.__context__ = None, handled


def _put_in_force(built: Configuration | None, given: _Given) -> None:
    global config, _given
    config, _given = built, given
    ledger.counts_runs = built is not None and built.metrics_run


class Checked(Protocol):
    """An object that was built before ``configure`` was called, and that can reject its settings."""

    def check(self, config: Configuration) -> None:
        """Raise ConfigurationError if it cannot work with ``config``."""
        ...


_unchecked: weakref.WeakSet[Checked] = weakref.WeakSet()


def check_when_configured(waiting: Checked) -> None:
    """Have ``configure`` check ``waiting``, unless it was called already."""
    if not is_declared:
        _unchecked.add(waiting)


def _check_waiting(built: Configuration) -> None:
    waiting = list(_unchecked)
    _unchecked.clear()
    check_stripping(built.on_unverified == "strip", built)
    for each in waiting:
        each.check(built)
