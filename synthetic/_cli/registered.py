"""What frameworks have registered in this process: routes, receivers, tasks, commands."""

from __future__ import annotations

import functools
import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any, Final, NamedTuple, cast

from synthetic._guards.guard import is_guard

__all__ = ["Registered", "registered", "unguarded"]


class Registered(NamedTuple):
    """A callable that a framework calls, and how the report names its place."""

    what: str
    function: Any


def registered() -> Iterator[Registered]:
    """Yield what the imported frameworks call in this process, whichever application it belongs to."""
    _load_django_urls()
    readers = [
        (cls, read)
        for module, name, read in _READERS
        if isinstance(cls := getattr(sys.modules.get(module), name, None), type)
    ]
    for value in gc.get_objects():
        kind = type(cast("object", value))  # not isinstance, which would wake lazy objects
        for cls, read in readers:
            if issubclass(kind, cls):
                yield from read(value)


def unguarded(function: Any) -> Iterator[Any]:
    """Yield a callable and what it wraps, down to the first guard."""
    seen: set[int] = set()
    while function is not None and id(function) not in seen and not is_guard(function):
        seen.add(id(function))
        yield function
        function = _wrapped(function)


def _wrapped(function: Any) -> Any:
    if isinstance(function, MethodType):
        return function.__func__
    if isinstance(function, functools.partial):
        return function.func  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return getattr(function, "__wrapped__", None)


def _load_django_urls() -> None:
    """Let Django build its URL patterns, which it does at the first request."""
    resolvers: Any = sys.modules.get("django.urls")
    settings: Any = getattr(sys.modules.get("django.conf"), "settings", None)
    if resolvers is not None and settings is not None and settings.configured:
        try:
            waiting = [resolvers.get_resolver()]
            while waiting:
                waiting += [one for one in waiting.pop().url_patterns if hasattr(one, "url_patterns")]
        except Exception:  # the application's own code; its server would show the error
            return


def _routes(router: Any) -> Iterator[Registered]:
    for route in router.routes:
        if getattr(route, "endpoint", None) is not None:
            yield Registered(f"the route {route.path}", route.endpoint)


def _views(app: Any) -> Iterator[Registered]:
    for name, function in app.view_functions.items():
        yield Registered(f"the endpoint {name}", function)
    for name in ("before_request_funcs", "after_request_funcs", "teardown_request_funcs"):
        for functions in getattr(app, name, {}).values():
            yield from (Registered(name, function) for function in functions)


def _handler(route: Any) -> Iterator[Registered]:
    yield Registered(f"the route {route.get_info().get('path') or route.get_info().get('formatter')}", route.handler)


def _pattern(pattern: Any) -> Iterator[Registered]:
    yield Registered(f"the URL {pattern.pattern}", pattern.callback)


def _receivers(signal: Any) -> Iterator[Registered]:
    for entry in signal.receivers:
        receiver = entry[1]
        yield Registered("a signal", receiver() if isinstance(receiver, weakref.ref) else receiver)


def _tasks(app: Any) -> Iterator[Registered]:
    for name, task in app.tasks.items():
        if not name.startswith("celery."):
            yield Registered(f"the task {name}", task)
            yield Registered(f"the task {name}", task.run)


def _actors(broker: Any) -> Iterator[Registered]:
    for name, actor in broker.actors.items():
        yield Registered(f"the actor {name}", actor)
        yield Registered(f"the actor {name}", actor.fn)


def _commands(group: Any) -> Iterator[Registered]:
    for name, command in group.commands.items():
        yield Registered(f"the command {name}", command)
        yield Registered(f"the command {name}", command.callback)


def _typer_commands(app: Any) -> Iterator[Registered]:
    for command in app.registered_commands:
        yield Registered("a command", command.callback)


def _jobs(scheduler: Any) -> Iterator[Registered]:
    for job in scheduler.get_jobs():
        yield Registered(f"the job {job.id}", job.func)


_READERS: Final[tuple[tuple[str, str, Callable[[Any], Iterator[Registered]]], ...]] = (
    ("aiohttp.web_urldispatcher", "AbstractRoute", _handler),
    ("apscheduler.schedulers.base", "BaseScheduler", _jobs),
    ("celery", "Celery", _tasks),
    ("click", "Group", _commands),
    ("django.dispatch", "Signal", _receivers),
    ("django.urls", "URLPattern", _pattern),
    ("dramatiq", "Broker", _actors),
    ("flask", "Flask", _views),
    ("quart", "Quart", _views),
    ("starlette.routing", "Router", _routes),
    ("typer", "Typer", _typer_commands),
)
"""Where each framework keeps what it calls: a module, a class in it, and how to read an instance."""
