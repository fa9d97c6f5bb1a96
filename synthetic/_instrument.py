"""``instrument``: switches on the integrations that are installed, found by entry point."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from types import ModuleType
from typing import Protocol, cast

from synthetic.errors import ConfigurationError

__all__ = ["GROUP", "PRODUCTS", "Integration", "instrument", "instrumented", "is_absent", "uninstrument"]

_log = logging.getLogger("synthetic")

GROUP = "synthetic.integrations"
"""The entry-point group: a name, and the ``Integration`` that goes by it."""

PRODUCTS = "synthetic.products"
"""By the same names, the module of the product. It need not be imported before the application wants it."""


class Integration(Protocol):
    """What an integration offers. Both may be called at any time, and look at what is there."""

    def instrument(self) -> None:
        """Patch the product, unless the patch is on. ImportError means that the product is not installed."""
        ...

    def uninstrument(self) -> None:
        """Take the patch off, if it is on."""
        ...


_instrumented: set[str] = set()
_awaited: set[str] = set()
"""Those of them whose product is yet to be imported."""


def instrument(*names: str) -> tuple[str, ...]:
    """Carry the marker over every installed product that has an integration, or over those named.

    Without names, nothing is imported for it: what is not imported yet is instrumented when it is. Returns the names
    of all that are instrumented now, sorted; what is instrumented already stays so.

    In a name, an underscore is as good as a hyphen. Raises ConfigurationError for a name that no integration has, and
    for a named product that is not installed or can't be instrumented; without names, the latter is logged as an error,
    and the others are instrumented.
    """
    products = {point.name: point.value for point in entry_points(group=PRODUCTS)}
    for point in _points(names):
        product = products.get(point.name)
        if names:
            _instrument_wanted(point, product)
        elif product is None or product in sys.modules:
            _instrument_found(point, product)
        elif _is_installed(product):
            _await(point, product)
    return tuple(sorted(_instrumented))


def uninstrument(*names: str) -> tuple[str, ...]:
    """Undo ``instrument``, for all or for those named. Returns the names of what is still instrumented.

    Raises ConfigurationError for a name that no integration has.
    """
    for point in _points(names):
        if point.name not in _awaited and (names or point.name in _instrumented):
            try:
                cast("Integration", point.load()).uninstrument()
            except ImportError:
                pass  # what is not installed is not patched
        _awaited.discard(point.name)
        _instrumented.discard(point.name)
    return tuple(sorted(_instrumented))


def instrumented() -> frozenset[str]:
    """Return the names of what is instrumented now."""
    return frozenset(_instrumented)


def _points(names: tuple[str, ...]) -> list[EntryPoint]:
    known = {point.name: point for point in entry_points(group=GROUP)}
    names = tuple(name if name in known else name.replace("_", "-") for name in names)
    for name in names:
        if name not in known:
            raise ConfigurationError(_advice(name, sorted(known)))
    return [known[name] for name in names or sorted(known)]


def _advice(name: str, known: list[str]) -> str:
    """What to do instead of instrumenting ``name``, which is not among the ``known`` ones."""
    from difflib import get_close_matches

    from synthetic._coverage import BY_HAND, COVERED

    module = f"synthetic_{name.replace('-', '_')}"
    if name in COVERED:
        return f"nothing of {name!r} is patched, so that instrument() has no part in it: use {COVERED[name].how}"
    if _is_installed(module):
        return f"nothing of {name!r} is patched, so that instrument() has no part in it: use {module} itself"
    if name in BY_HAND:
        return f"{name!r} has no integration: {BY_HAND[name]}"
    by_distribution = {coverage.distribution: extra for extra, coverage in COVERED.items()}
    spellings = dict.fromkeys([*known, *COVERED, *by_distribution])
    close = get_close_matches(name.lower(), spellings)
    meant = dict.fromkeys(repr(by_distribution.get(one, one)) for one in close)
    hint = f"did you mean {' or '.join(meant)}? " if meant else ""
    return f"there is no integration {name!r}; {hint}there are: {', '.join(known)}"


def _instrument_wanted(point: EntryPoint, product: str | None) -> None:
    try:
        cast("Integration", point.load()).instrument()
    except Exception as error:
        if is_absent(error, product):
            raise ConfigurationError(
                f"{point.name!r} cannot be instrumented: {error}. Install it with: "
                f'pip install "synthetic-traffic[{point.name}]"'
            ) from error
        raise ConfigurationError(
            f"{point.name!r} cannot be instrumented: {error!r}. synthetic-traffic doctor tells the versions tested."
        ) from error
    _awaited.discard(point.name)
    _instrumented.add(point.name)


def _instrument_found(point: EntryPoint, product: str | None) -> None:
    try:
        cast("Integration", point.load()).instrument()
    except Exception as error:
        if is_absent(error, product):
            _log.debug("%s is not installed: %s", point.name, error)
        else:
            # One product in an unknown version is no reason to carry nothing over the others.
            _log.exception("%s cannot be instrumented, and carries no marker", point.name)
    else:
        _awaited.discard(point.name)
        _instrumented.add(point.name)


def _await(point: EntryPoint, product: str) -> None:
    """Instrument a product when it is imported."""
    import wrapt

    def imported(module: ModuleType) -> None:
        if point.name in _awaited:
            _awaited.discard(point.name)
            _instrumented.discard(point.name)
            _instrument_found(point, product)

    if point.name not in _awaited:
        _awaited.add(point.name)
        _instrumented.add(point.name)
        wrapt.register_post_import_hook(imported, product)


def is_absent(error: Exception, product: str | None) -> bool:
    """Whether an error means that the product is not installed, and not that it has moved what we need."""
    return isinstance(error, ModuleNotFoundError) and (product is None or not _is_installed(product))


def _is_installed(product: str) -> bool:
    try:
        return find_spec(product) is not None
    except (ImportError, ValueError):
        return False
