"""What the doctor says about guards: what the policy does with each, and which calls pass one by."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

from synthetic._cli.application import is_of_the_application, place
from synthetic._cli.findings import Finding, Level
from synthetic._cli.registered import registered, unguarded
from synthetic._config.configuration import Configuration
from synthetic._guards.made import MADE, UNSET, Made, Terms
from synthetic._guards.targets import awaited
from synthetic._model.action import Action

__all__ = ["examine_guards", "examine_policy"]

_BUILT_IN: Final = ("external-call",)
"""The effects that need no guard."""

_OBJECTS: Final = ("celery", "click", "django_tasks", "dramatiq", "huey", "prefect", "procrastinate", "taskiq")
"""Packages whose decorators return an object, which calls the function by itself."""


class _Guarded(NamedTuple):
    target: str
    terms: Terms
    place: str
    made: Made | None


def examine_guards(config: Configuration) -> Iterator[Finding]:
    """Yield the findings on every guard of this process."""
    guards = sorted(_guards(), key=lambda guard: (guard.target, guard.terms.effect))
    bypassed = _bypassed([guard.made for guard in guards if guard.made is not None])
    for guard in guards:
        subject = f"{guard.target} ({guard.place})" if guard.place else guard.target
        level, text = _carried_out(guard.terms, config)
        way = bypassed.get(id(guard.made))
        if way is not None:
            yield Finding("guards", "fix", subject, f"{guard.terms.effect!r}: {way}")
        if way is None or level == "fix":
            yield Finding("guards", level, subject, f"{guard.terms.effect!r}: {text}")
    if not guards:
        yield Finding("guards", "note", "guards", "there are none in the modules that the application imports")


def _guards() -> Iterator[_Guarded]:
    for made in list(MADE):
        if made.terms.is_off is None or not made.terms.is_off():
            function = _function_in(made.original)
            code = getattr(function, "__code__", None)
            where = place(code.co_filename, code.co_firstlineno) if code else ""
            target = f"{function.__module__}:{function.__qualname__}" if code else made.target
            yield _Guarded(target, made.terms, where, made)
    for waiting in awaited():
        yield _Guarded(waiting.target, waiting.terms, "not imported yet", None)


def _function_in(original: object) -> Any:
    """Return the function that the application has written, below wrappers and objects of frameworks."""
    function: Any = _awake(original)
    for _ in range(20):
        inner = next((getattr(function, name) for name in _FUNCTION_OF if hasattr(function, name)), None)
        if inner is None:
            break
        function = inner
    return function


_FUNCTION_OF: Final = ("__func__", "__wrapped__", "callback", "fn", "run")
"""Where methods, wrappers, and objects of click, Dramatiq and Celery keep the function."""


def _carried_out(terms: Terms, config: Configuration) -> tuple[Level, str]:
    """Return what the policy does with the calls of a guard (docs/guards.md, "What a guard does")."""
    wanted = config.policy.get(terms.effect)
    says = f"the policy for {config.environment!r} " + (f"says {wanted.value}" if wanted else "does not name it")
    has_returns = terms.returns is not UNSET
    skips = "returns what returns= gives" if has_returns else "returns None"
    if wanted is Action.DIVERT:
        return "fix", f"{says}, but no diversion is ready, so each call raises EffectRefused"
    if wanted is Action.SUBSTITUTE and terms.instead is None:
        having = "has returns=, which is not a substitute" if has_returns else "has no instead="
        return "fix", f"{says}, but the guard {having}, so each call raises EffectRefused; add instead="
    does = {Action.ALLOW: "calls the real one", Action.REFUSE: "raises EffectRefused", Action.SKIP: skips}
    otherwise = "calls instead" if terms.instead is not None else skips
    return "ok", f"{says}: {does.get(wanted, otherwise) if wanted else otherwise}"


def _bypassed(guards: list[Made]) -> dict[int, str]:
    """Return, by the identity of a guard, who calls its function without it, and what to do."""
    found: dict[int, str] = {}
    originals: dict[int, Made] = {}
    for made in guards:
        original: object = _awake(made.original)
        originals[id(original)] = made
        if type(original).__module__.partition(".")[0] in _OBJECTS:
            what = f"{type(original).__module__}.{type(original).__qualname__}"
            found[id(made)] = (
                f"it is above the decorator that makes a {what}, which calls the function itself; {_BELOW}"
            )
    if originals:
        for what, function in registered():
            for step in unguarded(function):
                passed = originals.get(id(step))
                if passed is not None:
                    found[id(passed)] = f"{what} calls the function without its guard; {_cure(passed)}"
    return found


_BELOW: Final = "put @guard below that decorator"


def _cure(made: Made) -> str:
    if made.terms.is_off is not None:
        return "call guard_target before the module that registers it is imported"
    return f"@guard is above the decorator that registers it: {_BELOW}"


def _awake(value: object) -> Any:
    """Return the object that a lazy one stands for, such as a task of Celery."""
    get = getattr(type(value), "_get_current_object", None)
    return value if get is None else get(value)


def examine_policy(config: Configuration) -> Iterator[Finding]:
    """Yield a finding for each line of the policy that no guard has."""
    guarded = {guard.terms.effect for guard in _guards()}
    for effect in config.policy.effects():
        if effect in guarded or effect in _BUILT_IN or _is_asked_for(effect):
            continue
        close = get_close_matches(effect, sorted({*guarded, *_BUILT_IN} - {*config.policy.effects()}), n=1)
        if close:
            text = f"no guard has this effect; did you mean {close[0]!r}, which the policy does not name?"
            yield Finding("policy", "fix", effect, text)
        else:
            text = "no guard has this effect, and no call of allows(); is there one in a module that is not imported?"
            yield Finding("policy", "note", effect, text)


def _is_asked_for(effect: str) -> bool:
    """Whether a module of the application calls ``allows`` with this effect."""
    call = re.compile(rf"\ballows\(\s*['\"]{re.escape(effect)}['\"]")
    return any(call.search(source) for source in _sources())


def _sources() -> Iterator[str]:
    """Yield the source of each imported module of the application."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and is_of_the_application(file):
            try:
                yield Path(file).read_text(encoding="utf-8")
            except (OSError, ValueError):
                continue
