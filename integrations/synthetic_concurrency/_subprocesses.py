"""Subprocesses: whoever creates one hands its marker on in the environment."""

from __future__ import annotations

import subprocess
from functools import wraps
from typing import Any

import wrapt

from synthetic._egress import in_context
from synthetic._patch import IsOn, Patch, Patches
from synthetic_concurrency._environment import outgoing

__all__ = ["SUBPROCESSES", "Uvloop"]

_POSITION = 10
"""Where ``Popen`` takes ``env``, if that is not given by name."""


def _creating(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Popen.__init__``, which everything in ``subprocess`` comes down to, and asyncio's own event loop."""

    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_on():
            return original(self, *args, **kwargs)
        is_positional = len(args) > _POSITION
        env = args[_POSITION] if is_positional else kwargs.get("env")
        departing, otel = outgoing(env)
        if departing is not env:
            if is_positional:
                args = (*args[:_POSITION], departing, *args[_POSITION + 1 :])
            else:
                kwargs["env"] = departing
        if otel is None:
            return original(self, *args, **kwargs)
        with in_context(otel):
            return original(self, *args, **kwargs)

    return __init__


def _creating_with_uvloop(original: Any, is_on: IsOn) -> Any:
    """Wrap ``subprocess_exec`` and ``subprocess_shell`` of an event loop that has its own way."""

    @wraps(original)
    async def create(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_on():
            env = kwargs.get("env")
            departing, _ = outgoing(env)
            if departing is not env:
                kwargs["env"] = departing
        return await original(self, *args, **kwargs)

    return create


def _kinds() -> list[type]:
    """Every class that a function of ``subprocess`` makes: where eventlet has put its own in place, there are three.

    Its Popen is a subclass of a copy, and the ``run`` that its ``check_output`` calls makes those of another copy.
    """
    run: Any = subprocess.check_output.__globals__["run"]
    kinds: dict[type, None] = dict.fromkeys((*subprocess.Popen.__mro__, *run.__globals__["Popen"].__mro__))
    return [kind for kind in kinds if kind is not object and "__init__" in vars(kind)]


SUBPROCESSES = tuple(Patch(kind, "__init__", _creating) for kind in _kinds())


class Uvloop:
    """The patches on uvloop, from when it is imported on."""

    def __init__(self) -> None:
        self._is_on = False
        self._is_awaited = False
        self._patches: Patches | None = None

    def instrument(self) -> None:
        self._is_on = True
        if self._patches is not None:
            self._patches.instrument()
        elif not self._is_awaited:
            self._is_awaited = True
            wrapt.register_post_import_hook(self._imported, "uvloop")

    def uninstrument(self) -> None:
        self._is_on = False
        if self._patches is not None:
            self._patches.uninstrument()

    def _imported(self, uvloop: Any) -> None:
        methods = ("subprocess_exec", "subprocess_shell")
        self._patches = Patches(*(Patch(uvloop.Loop, method, _creating_with_uvloop) for method in methods))
        if self._is_on:
            self._patches.instrument()
