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
    """What an integration offers: to patch its product and to take the patch off. Each is done once."""

    def instrument(self) -> None:
        """Patch the product. ImportError means that the product is not installed."""
        ...

    def uninstrument(self) -> None:
        """Take the patch off."""
        ...


_instrumented: dict[str, Integration] = {}


def instrument(*names: str) -> tuple[str, ...]:
    """Carry the marker over every installed product that has an integration, or over those named.

    Returns the names of all that are instrumented now, sorted; what is instrumented already stays so. Raises
    ConfigurationError for a name that no integration has, and for a named product that is not installed.
    """
    known = {point.name: point for point in entry_points(group=GROUP)}
    for name in names:
        if name not in known:
            raise ConfigurationError(f"there is no integration {name!r}; there are: {', '.join(sorted(known))}")
    for name in names or sorted(known):
        if name not in _instrumented:
            _instrument(known[name], is_wanted=bool(names))
    return tuple(sorted(_instrumented))


def uninstrument(*names: str) -> tuple[str, ...]:
    """Undo ``instrument``, for all or for those named. Returns the names of what is still instrumented."""
    for name in names or tuple(_instrumented):
        integration = _instrumented.pop(name, None)
        if integration is not None:
            integration.uninstrument()
    return tuple(sorted(_instrumented))


def _instrument(point: EntryPoint, *, is_wanted: bool) -> None:
    try:
        integration = cast("Integration", point.load())
        integration.instrument()
    except ImportError as error:
        if is_wanted:
            raise ConfigurationError(
                f"{point.name!r} cannot be instrumented: {error}. Install it with: "
                f'pip install "synthetic-traffic[{point.name}]"'
            ) from error
        _log.debug("%s is not installed: %s", point.name, error)
        return
    _instrumented[point.name] = integration
