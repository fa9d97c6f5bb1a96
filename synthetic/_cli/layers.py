"""The layers of an application: what a request passes, the outermost first, and where the middleware is among them."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from types import MethodType
from typing import Any, Final, NamedTuple, cast

from synthetic import asgi, wsgi

__all__ = ["Kind", "is_a", "kind_of", "layers_of", "name_of", "ours_in", "outside_of"]

_INNER: Final = ("app", "asgi_app", "wsgi_app", "application", "_app", "_application", "wsgi", "get_response")
"""Names under which a wrapper keeps what it wraps."""

_OBSERVERS: Final = ("opentelemetry", "sentry_sdk", "ddtrace", "elasticapm", "newrelic", "logfire")
"""Packages whose layers only observe, and so may be outside of the middleware."""

_MOST: Final = 200


class Kind(NamedTuple):
    """A kind of application: how it is called, and how it gets the middleware. Or the integration that covers it."""

    name: str
    cure: str = ""
    integration: str = ""


_STARLETTE: Final = "call synthetic_starlette.install(app) after the last add_middleware"
_WRAP: Final = "put synthetic.{}.SyntheticTrafficMiddleware around the application"

_KINDS: Final = (
    ("fastapi", "FastAPI", Kind("FastAPI", _STARLETTE)),
    ("starlette.applications", "Starlette", Kind("Starlette", _STARLETTE)),
    ("flask", "Flask", Kind("Flask", "call synthetic_flask.install(app)")),
    ("quart", "Quart", Kind("Quart", _WRAP.format("asgi"))),
    ("litestar", "Litestar", Kind("Litestar", _WRAP.format("asgi"))),
    (
        "django.core.handlers.base",
        "BaseHandler",
        Kind("Django", "put synthetic_django.SyntheticTrafficMiddleware first in MIDDLEWARE"),
    ),
    ("aiohttp.web", "Application", Kind("aiohttp", "call synthetic_aiohttp.install(app)")),
    ("grpc", "Server", Kind("gRPC server", integration="grpc")),
    ("grpc.aio", "Server", Kind("gRPC server", integration="grpc")),
    ("celery", "Celery", Kind("Celery application", integration="celery")),
    ("dramatiq", "Broker", Kind("Dramatiq broker", integration="dramatiq")),
    ("rq", "Queue", Kind("RQ queue", integration="rq")),
    ("rq", "Worker", Kind("RQ worker", integration="rq")),
    ("arq.worker", "Worker", Kind("arq worker", integration="arq")),
)


def kind_of(app: Any) -> Kind | None:
    """Return the kind of an application; None if it is not known."""
    if "arq" in sys.modules and isinstance(app, type) and isinstance(getattr(app, "functions", None), (list, tuple)):
        return Kind("arq worker", integration="arq")
    return next((kind for module, name, kind in _KINDS if is_a(app, module, name)), None)


def is_a(value: object, module: str, name: str) -> bool:
    """Whether a value is an instance of a class. The module of the class is not imported for that."""
    cls = getattr(sys.modules.get(module), name, None)
    return isinstance(cls, type) and issubclass(type(value), cls)


def layers_of(app: Any) -> list[Any]:
    """Return what a request passes, the outermost first: wrappers, applications, and their middleware."""
    found: list[Any] = []
    waiting = [app]
    while waiting and len(found) < _MOST:
        layer = waiting.pop()
        if not any(layer is other for other in found):
            found.append(layer)
            waiting.extend(reversed(list(_inside(layer))))
    return found


def _inside(layer: Any) -> Iterator[Any]:
    kind = kind_of(layer)
    if kind is not None:
        yield from _middleware_of(layer, kind.name)
    if kind is not None and kind.name not in ("Flask", "Quart"):
        return
    if isinstance(layer, functools.partial):
        partial = cast("Any", layer)
        yield from (value for value in (partial.func, *partial.args) if callable(value))
    for name in _INNER:
        inner = _own(layer).get(name)
        if callable(inner):
            yield inner
    if isinstance(layer, MethodType):
        yield layer.__self__
    for cell in getattr(cast("Any", layer), "__closure__", None) or ():
        try:
            content = cell.cell_contents
        except ValueError:  # an empty cell
            continue
        if callable(content) and not isinstance(content, type):
            yield content


def _own(layer: Any) -> dict[str, Any]:
    slots = [slot for cls in type(layer).__mro__ for slot in getattr(cls, "__slots__", ()) if isinstance(slot, str)]
    return {**{slot: getattr(layer, slot, None) for slot in slots if slot in _INNER}, **getattr(layer, "__dict__", {})}


def _middleware_of(app: Any, kind: str) -> Iterator[Any]:
    if kind in ("FastAPI", "Starlette"):
        yield from (middleware.cls for middleware in app.user_middleware)
    elif kind == "aiohttp":
        yield from app.middlewares
    elif kind == "Litestar":
        yield from (getattr(middleware, "middleware", middleware) for middleware in app.middleware)
    elif kind == "Django":
        from django.conf import settings  # type: ignore[import-untyped,unused-ignore]
        from django.utils.module_loading import import_string  # type: ignore[import-untyped,unused-ignore]

        yield from (cast("Any", import_string)(name) for name in cast("Any", settings).MIDDLEWARE)


def ours_in(layers: list[Any]) -> int | None:
    """Return the index of the first layer that is the middleware of this library; None if there is none."""
    return next((index for index, layer in enumerate(layers) if _is_ours(layer)), None)


def _is_ours(layer: Any) -> bool:
    cls = layer if isinstance(layer, type) else type(layer)
    if issubclass(cls, (asgi.SyntheticTrafficMiddleware, wsgi.SyntheticTrafficMiddleware)):
        return True
    return _package(layer) in ("synthetic_django", "synthetic_aiohttp", "synthetic_awslambda")


def outside_of(layers: list[Any], index: int) -> list[str]:
    """Return the names of the layers before ``index`` that do more than observe."""
    return [
        name_of(layer)
        for layer in layers[:index]
        if kind_of(layer) is None and not isinstance(layer, MethodType) and _package(layer) not in _OBSERVERS
    ]


def name_of(layer: object) -> str:
    """Return the name of a layer, for the report."""
    named: Any = layer if hasattr(layer, "__qualname__") else type(layer)
    return f"{named.__module__}.{named.__qualname__}"


def _package(layer: object) -> str:
    """Return the package that a layer comes from. A wrapper often has the name of what it wraps."""
    module = getattr(layer, "__globals__", {}).get("__name__")
    if module is None:
        named: Any = layer if hasattr(layer, "__module__") and hasattr(layer, "__qualname__") else type(layer)
        module = named.__module__
    return str(module).partition(".")[0]
