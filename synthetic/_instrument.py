"""``instrument``: switches on the integrations that are installed, found by entry point."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, cast

from synthetic.errors import ConfigurationError

__all__ = ["GROUP", "Integration", "instrument", "uninstrument"]

_log = logging.getLogger("synthetic")

GROUP = "synthetic.integrations"
"""The entry-point group: a name, and the ``Integration`` that goes by it."""


class Integration(Protocol):
    """What an integration offers. Both may be called at any time, and look at what is there."""

    def instrument(self) -> None:
        """Patch the product, unless the patch is on. ImportError means that the product is not installed."""
        ...

    def uninstrument(self) -> None:
        """Take the patch off, if it is on."""
        ...


_instrumented: set[str] = set()


def instrument(*names: str) -> tuple[str, ...]:
    """Carry the marker over every installed product that has an integration, or over those named.

    Returns the names of all that are instrumented now, sorted; what is instrumented already stays so. Raises
    ConfigurationError for a name that no integration has, and for a named product that is not installed.
    """
    for point in _points(names):
        _instrument(point, is_wanted=bool(names))
    return tuple(sorted(_instrumented))


def uninstrument(*names: str) -> tuple[str, ...]:
    """Undo ``instrument``, for all or for those named. Returns the names of what is still instrumented.

    Raises ConfigurationError for a name that no integration has.
    """
    for point in _points(names):
        if names or point.name in _instrumented:
            try:
                cast("Integration", point.load()).uninstrument()
            except ImportError:
                pass  # what is not installed is not patched
            _instrumented.discard(point.name)
    return tuple(sorted(_instrumented))


def _points(names: tuple[str, ...]) -> list[EntryPoint]:
    known = {point.name: point for point in entry_points(group=GROUP)}
    for name in names:
        if name not in known:
            raise ConfigurationError(f"there is no integration {name!r}; there are: {', '.join(sorted(known))}")
    return [known[name] for name in names or sorted(known)]


def _instrument(point: EntryPoint, *, is_wanted: bool) -> None:
    try:
        cast("Integration", point.load()).instrument()
    except ImportError as error:
        if is_wanted:
            raise ConfigurationError(
                f"{point.name!r} cannot be instrumented: {error}. Install it with: "
                f'pip install "synthetic-traffic[{point.name}]"'
            ) from error
        _log.debug("%s is not installed: %s", point.name, error)
        return
    _instrumented.add(point.name)
