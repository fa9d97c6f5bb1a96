"""Middleware for WSGI applications: Flask, Django, Pyramid, Bottle."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeAlias, TypeVar, cast

from synthetic._admission.decision import AS_REAL, Refused
from synthetic._admission.entrance import Entrance
from synthetic._admission.messages import under
from synthetic._admission.problem import (
    ACKNOWLEDGEMENT,
    SIMULATED,
    SIMULATED_CACHE_CONTROL,
    Problem,
    is_cache_header,
    problem_of,
    refusal_of,
    server_error_of,
)
from synthetic._config.configuration import OnMissing, OnUnverified
from synthetic._model.verdict import REAL, Real, Received
from synthetic._work.state import enter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["SyntheticTrafficMiddleware"]

P = ParamSpec("P")
R = TypeVar("R")

_HEADER = "HTTP_BAGGAGE"
_ACKNOWLEDGEMENT = ACKNOWLEDGEMENT.title()
_PIECE: Final = 32768


class SyntheticTrafficMiddleware:
    """Admits each request as real or simulated, or answers it: 403 if it is refused, 429 if it may come again later.

    Put it outermost, or anywhere inside OpenTelemetry's middleware. The application's call, each step of the response
    and its ``close()`` run in one ``contextvars`` context per request, so no verdict stays on the server's threads.
    The arguments are those of ``synthetic.asgi.SyntheticTrafficMiddleware``. Settings that cannot work together raise
    ConfigurationError when you build the middleware, or when you call ``synthetic.configure`` after that.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        edge: bool | None = None,
        on_unverified: OnUnverified | None = None,
        on_missing: OnMissing | None = None,
    ) -> None:
        self.app = app
        self._entrance = Entrance(edge=edge, on_unverified=on_unverified, on_missing=on_missing)
        self._entrance.open()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request."""
        header: str | None = environ.get(_HEADER)
        decision = self._entrance.decide(() if header is None else (header,))
        if decision is not AS_REAL:
            if isinstance(decision, Refused):
                return _answer(refusal_of(decision.reason), environ, start_response)
            if decision.onward is not None:
                environ = _with_baggage(environ, decision.onward_joined())
            if isinstance(decision.verdict, Received):
                return _simulated(decision.verdict, self.app, environ, _Start(decision.verdict, start_response))
        context: _Runner
        if _IN_PLACE in environ:
            context = _InPlace(REAL)
        else:
            context = copy_context()
            context.run(enter, REAL)
        body = context.run(self.app, environ, start_response)
        return body if type(body) in _FINISHED or _is_file(body, environ) else _Steps(context, body)


_IN_PLACE = "werkzeug.debug.preserve_context"
"""Flask's test client keeps the contexts of a request open for the test, which closes them in its own context."""


class _InPlace:
    """Runs each part of a request under its verdict in the caller's own context."""

    __slots__ = ("_verdict",)

    def __init__(self, verdict: Real | Received) -> None:
        self._verdict = verdict

    def run(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return under(self._verdict, partial(call, *args, **kwargs))


_Runner: TypeAlias = "Context | _InPlace"


def _simulated(
    verdict: Received, app: WSGIApplication, environ: WSGIEnvironment, start_response: _Start
) -> Iterable[bytes]:
    goes_on = False
    context: _Runner
    if _IN_PLACE in environ:
        context = _InPlace(verdict)
    else:
        context = copy_context()
        context.run(enter, verdict, marks_span=True)
    verdict.begin()
    try:
        body = context.run(app, environ, start_response)
        if start_response.answer is not None:
            _close(context, body)
            return _body_of(start_response.answer, environ)
        goes_on = type(body) not in _FINISHED
        return _SimulatedSteps(verdict, context, body, environ, start_response) if goes_on else body
    except Exception as error:
        answer = problem_of(error)
        if answer is None:
            raise
        return _answer(answer, environ, start_response.start_response, sys.exc_info())
    finally:
        if not goes_on:
            verdict.end()


_FINISHED = (list, tuple)
"""Bodies that run no application code when they are iterated. They are not wrapped: servers read their length."""


def _is_file(body: Iterable[bytes], environ: WSGIEnvironment) -> bool:
    """Whether the server can send the body itself. Servers recognise such a body by its type, or its identity.

    uWSGI's wrapper is a function that returns the file.
    """
    wrapper: Any = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type):
        return isinstance(body, wrapper)
    return wrapper is not None and hasattr(body, "read")


class _Steps:
    """A response body whose steps and end run in the context of its request, even if the server never closes it."""

    __slots__ = ("_body", "_context", "_is_closed")

    def __init__(self, context: _Runner, body: Iterable[bytes]) -> None:
        self._context = context
        self._body = body
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        # An iterator in C. It calls run(next, iterator, self) until that returns self, and it keeps this object alive.
        run = self._context.run
        return cast("Iterator[bytes]", iter(partial(run, next, run(iter, self._body), self), self))

    def close(self) -> None:
        self._is_closed = True
        _close(self._context, self._body)

    def __del__(self) -> None:
        if not self._is_closed:
            self.close()


class _SimulatedSteps(_Steps):
    """The body of a simulated response. An effect that is refused before the first byte was sent becomes a 403."""

    __slots__ = ("_environ", "_start_response", "_verdict")

    def __init__(
        self,
        verdict: Received,
        context: _Runner,
        body: Iterable[bytes],
        environ: WSGIEnvironment,
        start_response: _Start,
    ) -> None:
        super().__init__(context, body)
        self._verdict = verdict
        self._environ = environ
        self._start_response = start_response

    def __iter__(self) -> Iterator[bytes]:
        steps = self._pieces() if _is_file(self._body, self._environ) else super().__iter__()
        has_started = False
        while True:
            try:
                step = next(steps)
            except StopIteration:
                return
            except Exception as error:
                answer = None if has_started else problem_of(error)
                if answer is None:
                    raise
                yield from _answer(answer, self._environ, self._start_response.start_response, sys.exc_info())
                return
            if not has_started and self._start_response.answer is not None:
                yield from _body_of(self._start_response.answer, self._environ)
                return
            has_started = has_started or bool(step)
            yield step

    def _pieces(self) -> Iterator[bytes]:
        """Read a file as the server would have done, and not line by line: uWSGI's need not be iterable."""
        read = getattr(self._body, "read", None)
        if read is None:
            return super().__iter__()
        run: Any = self._context.run
        return cast("Iterator[bytes]", iter(partial(run, read, _PIECE), b""))

    def close(self) -> None:
        is_first = not self._is_closed
        try:
            super().close()
        finally:
            if is_first:
                self._verdict.end()


def _with_baggage(environ: WSGIEnvironment, header: str) -> WSGIEnvironment:
    rest = {name: value for name, value in environ.items() if name != _HEADER}
    return {**rest, _HEADER: header} if header else rest


class _Start:
    """``start_response`` for a simulated response, which no shared cache may keep.

    If the application answers a refused effect with a server error, the ``answer`` is a 403 instead.
    """

    __slots__ = ("_verdict", "answer", "start_response")

    def __init__(self, verdict: Received, start_response: StartResponse) -> None:
        self._verdict = verdict
        self.start_response = start_response
        self.answer: Problem | None = None

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        if status.startswith("5"):
            self.answer = server_error_of(self._verdict, sys.exc_info()[1])
            if self.answer is not None:
                self.start_response(_status_of(self.answer), list(self.answer.headers), exc_info)
                return _written_nowhere
        kept = [header for header in headers if not is_cache_header(header[0])]
        kept.append(("Cache-Control", SIMULATED_CACHE_CONTROL))
        if not any(name.lower() == ACKNOWLEDGEMENT for name, _ in kept):
            kept.append((_ACKNOWLEDGEMENT, SIMULATED))
        return self.start_response(status, kept, exc_info)


def _written_nowhere(data: bytes, /) -> None:
    pass


def _close(context: _Runner, body: Iterable[bytes]) -> None:
    close = cast("Callable[[], object] | None", getattr(body, "close", None))
    if close is None:
        return
    try:
        context.run(close)
    except RuntimeError as error:
        is_entered = str(error).startswith("cannot enter context")
        if not is_entered or not isinstance(context, Context) or cast("Any", error.__traceback__).tb_next is not None:
            raise  # the application's own
        context.copy().run(close)  # another thread is in a step of this response, and may wait for this


def _answer(
    problem: Problem, environ: WSGIEnvironment, start_response: StartResponse, exc_info: Any = None
) -> list[bytes]:
    start_response(_status_of(problem), list(problem.headers), exc_info)
    return _body_of(problem, environ)


def _status_of(problem: Problem) -> str:
    return f"{problem.status} {problem.title}"


def _body_of(problem: Problem, environ: WSGIEnvironment) -> list[bytes]:
    # Some servers send the body of a HEAD response, and the next response would begin with it.
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [problem.body]
