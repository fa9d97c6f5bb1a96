"""``instrument``: enable the integrations of installed products, found by entry point."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from types import ModuleType
from typing import Final, Protocol, cast

from synthetic._config.instrumented import INSTRUMENTED
from synthetic._instrument.coverage import BY_HAND, COVERED, MODULES_BY_HAND
from synthetic._instrument.injections import noting_injections
from synthetic._instrument.loops import LOOPS
from synthetic.errors import ConfigurationError

__all__ = ["GROUP", "PRODUCTS", "Integration", "instrument", "instrumented", "is_absent", "uninstrument"]

_log = logging.getLogger("synthetic")

_DISTRIBUTION = "synthetic-traffic"

GROUP = "synthetic.integrations"
"""The entry-point group of integrations: a name, and its ``Integration``."""

PRODUCTS = "synthetic.products"
"""The entry-point group of products: the same name, and the product's module, which may be imported later."""


class Integration(Protocol):
    """The integration of one product. Both methods may be called at any time, in any order."""

    def instrument(self) -> None:
        """Patch the product, unless it is patched. Raise ImportError if the product is not installed."""
        ...

    def uninstrument(self) -> None:
        """Remove the patch, if there is one."""
        ...


_ALWAYS: Final = (LOOPS, noting_injections())
"""Patches that are on for as long as anything is instrumented."""

_awaited: set[str] = set()
"""The names of enabled integrations whose product is not imported yet."""


def instrument(*names: str) -> tuple[str, ...]:
    """Propagate the marker through every installed product that has an integration, or through the named ones.

    Without names, nothing is imported: a product that is not imported yet is instrumented when it is. Returns the
    names of all products that are instrumented now, sorted. Earlier ones stay instrumented.

    A name may have underscores instead of hyphens. Raises ConfigurationError for a name that no integration has, and
    for a named product that is not installed or cannot be instrumented. Without names, a product that cannot be
    instrumented is logged as an error, and the others are instrumented.
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
    for patch in _ALWAYS:
        patch.put_on()
    return tuple(sorted(INSTRUMENTED))


def uninstrument(*names: str) -> tuple[str, ...]:
    """Undo ``instrument``, for all products or for the named ones.

    Returns the names of the products that are still instrumented, sorted. Raises ConfigurationError for a name that no
    integration has.
    """
    for point in _points(names):
        if point.name not in _awaited and (names or point.name in INSTRUMENTED):
            try:
                cast("Integration", point.load()).uninstrument()
            except ImportError:
                pass  # not installed, so not patched
        _awaited.discard(point.name)
        INSTRUMENTED.discard(point.name)
    if not INSTRUMENTED:
        for patch in _ALWAYS:
            patch.take_off()
    return tuple(sorted(INSTRUMENTED))


def instrumented() -> tuple[str, ...]:
    """Return the names of the products that are instrumented, sorted."""
    return tuple(sorted(INSTRUMENTED))


def _points(names: tuple[str, ...]) -> list[EntryPoint]:
    known: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = known.setdefault(point.name, point)
        if _distribution_of(other) != _distribution_of(point):
            raise ConfigurationError(
                f"two distributions have an integration {point.name!r}: {_distribution_of(other)} and "
                f"{_distribution_of(point)}. Uninstall one of them."
            )
    names = tuple(name if name in known else name.replace("_", "-") for name in names)
    for name in names:
        if name not in known:
            raise ConfigurationError(_advice(name, sorted(known)))
    return [known[name] for name in names or sorted(known)]


def _advice(name: str, known: list[str]) -> str:
    """Return what to do instead of instrumenting ``name``, which is not ``known``."""
    from difflib import get_close_matches

    module = f"synthetic_{name.replace('-', '_')}"
    if name in COVERED:
        return f"{name!r} is not patched; instrument() does not apply. Use {COVERED[name].how}"
    if _is_installed(module):
        return f"{name!r} is not patched; instrument() does not apply. Use the module {module}"
    by_hand = {**BY_HAND, **MODULES_BY_HAND}
    if name in by_hand:
        return f"{name!r} has no integration of its own: {by_hand[name]}"
    by_distribution = {coverage.distribution: extra for extra, coverage in COVERED.items()}
    spellings = dict.fromkeys([*known, *COVERED, *by_distribution])
    close = get_close_matches(name.lower(), spellings)
    meant = dict.fromkeys(repr(by_distribution.get(one, one)) for one in close)
    hint = f"did you mean {' or '.join(meant)}? " if meant else ""
    return f"there is no integration {name!r}; {hint}the integrations are {', '.join(known)}"


def _instrument_wanted(point: EntryPoint, product: str | None) -> None:
    try:
        _put_on(point)
    except Exception as error:
        if is_absent(error, product):
            raise ConfigurationError(
                f"{point.name!r} cannot be instrumented: {error}. {_how_to_install(point)}"
            ) from error
        raise ConfigurationError(
            f"{point.name!r} cannot be instrumented: {error!r}. synthetic-traffic doctor lists the tested versions."
        ) from error


def _how_to_install(point: EntryPoint) -> str:
    if _distribution_of(point) == _DISTRIBUTION:
        return f'Install it with: pip install "{_DISTRIBUTION}[{point.name}]"'
    return f"Install what the distribution {_distribution_of(point)!r} needs."


def _distribution_of(point: EntryPoint) -> str:
    return point.dist.name if point.dist else _DISTRIBUTION


def _instrument_found(point: EntryPoint, product: str | None) -> None:
    try:
        _put_on(point)
    except Exception as error:
        if is_absent(error, product):
            _log.debug("%s is not installed: %s", point.name, error)
        else:
            # One product in an unknown version must not stop the others from carrying the marker.
            _log.exception("%s cannot be instrumented, so it carries no marker", point.name)


def _put_on(point: EntryPoint) -> None:
    """Enable one integration. It counts already while that is going on: one admits this process by its environment."""
    integration: Integration = point.load()
    was_instrumented = point.name in INSTRUMENTED
    INSTRUMENTED.add(point.name)
    try:
        integration.instrument()
    except BaseException:
        if not was_instrumented:
            INSTRUMENTED.discard(point.name)
        raise
    _awaited.discard(point.name)


def _await(point: EntryPoint, product: str) -> None:
    """Instrument a product when it is imported."""
    import wrapt

    package = point.module.partition(".")[0]

    def imported(module: ModuleType) -> None:
        # The integration's own package may be what imports the product. Then that is the one to wait for.
        is_ready = module.__name__ == package or not _is_being_imported(package)
        if point.name in _awaited and is_ready and product in sys.modules:
            _awaited.discard(point.name)
            INSTRUMENTED.discard(point.name)
            _instrument_found(point, product)

    if point.name not in _awaited:
        _awaited.add(point.name)
        INSTRUMENTED.add(point.name)
        wrapt.register_post_import_hook(imported, package)
        wrapt.register_post_import_hook(imported, product)


def _is_being_imported(module: str) -> bool:
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def is_absent(error: Exception, product: str | None) -> bool:
    """Whether an error means that the product is not installed, rather than that it has changed."""
    return isinstance(error, ModuleNotFoundError) and (product is None or not _is_installed(product))


def _is_installed(product: str) -> bool:
    try:
        return find_spec(product) is not None
    except (ImportError, ValueError):
        return False
