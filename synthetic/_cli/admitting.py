"""What the doctor says about an application: whether it calls ``instrument()``, and where its middleware is."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

from synthetic._cli.findings import Finding
from synthetic._cli.layers import Kind, kind_of, layers_of, name_of, ours_in, outside_of
from synthetic._config.in_force import active
from synthetic._config.instrumented import INSTRUMENTED

__all__ = ["examine_application"]

_SECTION = "application"


def examine_application(name: str, app: Any) -> Iterator[Finding]:
    """Yield the findings on an application that was imported as ``name``."""
    yield from _instrumented()
    layers = layers_of(app)
    kinds = [kind for kind in map(kind_of, layers) if kind is not None]
    kind = kinds[0] if kinds else None
    if kind is not None and kind.integration:
        yield _covered(name, kind)
    elif kind is None and not _may_serve(app):
        text = f"{name_of(app)} is not an application that the doctor knows, so its middleware is not checked"
        yield Finding(_SECTION, "note", name, text)
    else:
        yield _middleware(name, app, kind, layers)


def _instrumented() -> Iterator[Finding]:
    subject = "instrument()"
    if not INSTRUMENTED:
        if active().uninstrumented == "admit":
            text = 'was not called, and uninstrumented="admit": what this service calls, sends and starts has no marker'
            yield Finding(_SECTION, "note", subject, text)
            return
        text = (
            "was not called while the application was imported, so simulated work is refused (not-instrumented); "
            "call synthetic.instrument() at start-up, or start the program with opentelemetry-instrument"
        )
        yield Finding(_SECTION, "fix", subject, text)
        return
    yield Finding(_SECTION, "ok", subject, f"called for {', '.join(sorted(INSTRUMENTED))}")
    products = {point.name: point.value for point in entry_points(group="synthetic.products")}
    imported = {name for name, module in products.items() if module in sys.modules}
    left_out = sorted((imported | {"concurrency"}) - INSTRUMENTED)
    if left_out:
        text = f"not called for {', '.join(left_out)}: what simulated work does with them is executed as real"
        yield Finding(_SECTION, "note", subject, text)


def _covered(name: str, kind: Kind) -> Finding:
    if kind.integration in INSTRUMENTED:
        return Finding(_SECTION, "ok", name, f"{kind.name}: instrument() covers it, and it needs no middleware")
    text = f'{kind.name}: not covered; call synthetic.instrument() or synthetic.instrument("{kind.integration}")'
    return Finding(_SECTION, "fix", name, text)


def _may_serve(app: Any) -> bool:
    """Whether a server could call ``app``: as ASGI with three arguments, or as WSGI with two."""
    if not callable(app):
        return False
    try:
        called = inspect.signature(app)
    except (TypeError, ValueError):
        return True  # nobody knows
    return any(_takes(called, number) for number in (2, 3))


def _takes(called: inspect.Signature, number: int) -> bool:
    try:
        called.bind(*range(number))
    except TypeError:
        return False
    return True


def _middleware(name: str, app: Any, kind: Kind | None, layers: list[Any]) -> Finding:
    what = kind.name if kind else name_of(app)
    index = ours_in(layers)
    if index is None:
        cure = kind and kind.cure
        default = "put synthetic.asgi.SyntheticTrafficMiddleware or synthetic.wsgi.SyntheticTrafficMiddleware around it"
        text = f"{what}: it has no middleware, so a simulated request is executed as real; {cure or default}"
        return Finding(_SECTION, "fix", name, text)
    outside = outside_of(layers, index)
    if outside:
        text = (
            f"{what}: what {', '.join(outside)} does for a simulated request is real; put the middleware outside of it"
        )
        return Finding(_SECTION, "note", name, text)
    return Finding(_SECTION, "ok", name, f"{what}: the middleware is outermost")
