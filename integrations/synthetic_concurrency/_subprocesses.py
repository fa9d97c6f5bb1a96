"""Subprocesses: the work that creates one passes its marker on in the environment."""

from __future__ import annotations

import subprocess
from functools import wraps
from typing import Any

from synthetic.integration import IsOn, LatePatches, Patch
from synthetic_concurrency._headers import outgoing

__all__ = ["SUBPROCESSES"]

_POSITION = 10
"""The position of ``env`` among the arguments of ``Popen``."""


def _creating(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Popen.__init__``, which all of ``subprocess`` and asyncio's own event loop call."""

    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_on():
            return original(self, *args, **kwargs)
        is_positional = len(args) > _POSITION
        env = args[_POSITION] if is_positional else kwargs.get("env")
        departing, within = outgoing(env)
        if departing is not env:
            if is_positional:
                args = (*args[:_POSITION], departing, *args[_POSITION + 1 :])
            else:
                kwargs["env"] = departing
        return within(original, self, *args, **kwargs)

    return __init__


def _creating_with_uvloop(original: Any, is_on: IsOn) -> Any:
    """Wrap ``subprocess_exec`` and ``subprocess_shell`` of an event loop that does not use ``subprocess``."""

    @wraps(original)
    async def create(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_on():
            env = kwargs.get("env")
            departing, _ = outgoing(env)
            if departing is not env:
                kwargs["env"] = departing
        return await original(self, *args, **kwargs)

    return create


_covered: set[type] = set()


def _patches_on(module: Any) -> list[Patch]:
    """The patches on every class that the functions of ``subprocess``, or of a module in its place, make.

    Eventlet has three: its Popen is a subclass of a copy, and the ``run`` that its ``check_output`` calls makes
    instances of another copy.
    """
    run = module.check_output.__globals__["run"]
    kinds = dict.fromkeys((*module.Popen.__mro__, *run.__globals__["Popen"].__mro__))
    own = [kind for kind in kinds if "__init__" in vars(kind) and kind is not object and kind not in _covered]
    _covered.update(own)
    return [Patch(kind, "__init__", _creating) for kind in own]


def _patches_on_uvloop(uvloop: Any) -> list[Patch]:
    return [Patch(uvloop.Loop, method, _creating_with_uvloop) for method in ("subprocess_exec", "subprocess_shell")]


SUBPROCESSES: tuple[Patch | LatePatches, ...] = (
    *_patches_on(subprocess),
    # The modules that monkey patching puts in its place, now or later.
    LatePatches("gevent.subprocess", _patches_on),
    LatePatches("eventlet.green.subprocess", _patches_on),
    LatePatches("uvloop", _patches_on_uvloop),
)
