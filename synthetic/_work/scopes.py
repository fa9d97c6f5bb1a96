"""``simulated()`` and ``real()``: verdicts that your code declares, for a block or a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypeVar, cast

from synthetic._config.in_force import active
from synthetic._config.instrumented import INSTRUMENTED
from synthetic._model.callables import kind_of
from synthetic._model.marker import Kind, Marker
from synthetic._model.verdict import REAL, Verdict
from synthetic._work.blocks import pop, push
from synthetic._work.issued import Issued
from synthetic.errors import ConfigurationError

__all__ = ["Scope", "done", "real", "simulated"]

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound="Marker | None", covariant=True)


class Scope(Generic[M]):
    """A verdict for a ``with`` block, or for each call of a decorated function."""

    def __init__(self, marker: M, verdict: Callable[[], Verdict | None]) -> None:
        self._marker = marker
        self._verdict = verdict

    def __enter__(self) -> M:
        push(self, self._verdict())
        return self._marker

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pop(self)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function or a coroutine function."""
        kind = kind_of(function)
        if kind not in ("function", "coroutine"):
            article = "an" if kind.startswith("async") else "a"
            raise TypeError(
                f"{_name(function)} is {article} {kind}: a verdict held across a yield would leak into the code that "
                "consumes it. Use a with block around each step of its work."
            )
        if kind == "coroutine":
            coroutine_function = cast("Callable[P, Awaitable[Any]]", function)

            @functools.wraps(function)
            async def asynchronous(*args: P.args, **kwargs: P.kwargs) -> Any:
                with Scope(self._marker, self._verdict):
                    return await coroutine_function(*args, **kwargs)

            return cast("Callable[P, R]", asynchronous)

        @functools.wraps(function)
        def synchronous(*args: P.args, **kwargs: P.kwargs) -> R:
            with Scope(self._marker, self._verdict):
                return done(function(*args, **kwargs), function)

        return synchronous


def done(result: R, function: Callable[..., R]) -> R:
    """Return the result of a function under a verdict. Raises TypeError if its work would happen later."""
    if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        if inspect.iscoroutine(result) or inspect.isgenerator(result):
            result.close()
        raise TypeError(
            f"{_name(function)} returns a {type(result).__name__}, whose work would run later, outside of the scope. "
            "Decorate the coroutine function itself, or use a with block."
        )
    return result


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def simulated(
    *, run: str, kind: Kind = "simulation", actor: str | None = None, scenario: str | None = None
) -> Scope[Marker]:
    """Declare that the work in a ``with`` block, or in the decorated function, is simulated.

    Every call to a host that takes part carries a signed token. All work with the same run, kind, actor and scenario
    shares one token, which is signed again at half its lifetime, with the last key that can sign. ``with
    simulated(...) as marker`` gives the marker.

    A name has 1 to 64 characters of ``[A-Za-z0-9._:-]``, without personal data; any other raises ValueError. Entering
    the block, or calling the function, raises ConfigurationError if no key can sign, and if ``instrument`` was not
    called: the setting ``uninstrumented`` can allow that.
    """
    marker = Marker(run, kind, actor, scenario)
    return Scope(marker, lambda: _issued(marker))


def _issued(marker: Marker) -> Issued:
    if not INSTRUMENTED and active().uninstrumented == "refuse":
        raise ConfigurationError(
            "simulated work cannot begin here: synthetic.instrument() was not called in this process, so its calls, "
            "messages and threads would carry no marker. Call synthetic.instrument() at start-up; or set "
            "uninstrumented='admit' if the work calls, sends and starts nothing.",
            setting="uninstrumented",
        )
    return Issued(marker)


def real() -> Scope[None]:
    """Declare that the work in a ``with`` block, or in the decorated function, is real.

    Use it for work that runs inside simulated work by chance: a heartbeat, the refresh of a pool or an access token.
    """
    return Scope(None, lambda: REAL)
