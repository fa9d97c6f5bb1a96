"""Django, by one line in its settings: ``MIDDLEWARE = ["synthetic_django.SyntheticTrafficMiddleware", ...]``.

It admits each request, gives it ``request.marker``, and answers where a guard refuses, in WSGI and in ASGI. Streamed
bodies and the end of a response have the verdict of their request, though Django runs them when every middleware is
done. To have the verdict from the first signal of a request on, put ``synthetic.wsgi`` or ``synthetic.asgi`` around
the application instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings as django_settings  # type: ignore[import-untyped,unused-ignore]
from django.http import HttpResponse  # type: ignore[import-untyped,unused-ignore]

from synthetic import _config
from synthetic._admission import Entrance, admit
from synthetic._http import Problem, problem_of, refusal_of
from synthetic._verdict import REAL, Real, Received, enter, leave
from synthetic.errors import ConfigurationError
from synthetic_django._request import replace_baggage
from synthetic_django._response import cover

__all__ = ["SyntheticTrafficMiddleware"]

_SETTING = "SYNTHETIC_TRAFFIC"
_OPTIONS = ("edge", "on_unverified", "on_missing")


class SyntheticTrafficMiddleware:
    """Admits each request as real or simulated, or answers it itself: 403 refused, 429 later.

    ``SYNTHETIC_TRAFFIC`` in the settings is a dict with ``edge``, ``on_unverified`` and ``on_missing``, as
    ``synthetic.asgi.SyntheticTrafficMiddleware`` takes them. What is not in it is the configuration's; see
    ``synthetic.configure``. A wrong value raises ConfigurationError when Django builds its application.
    """

    sync_capable: ClassVar[bool] = True
    async_capable: ClassVar[bool] = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        self._entrance = Entrance(**_settings())
        self._entrance.open()
        self._is_async: bool = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(cast("Any", self))

    def __call__(self, request: Any) -> Any:
        """Handle one request: return its response, or in ASGI a coroutine that does."""
        if self._is_async:
            return self._handled(request)
        verdict = self._admitted(request)
        if not isinstance(verdict, (Real, Received)):
            return verdict
        entered = enter(verdict, is_work=True, marks_span=True)
        try:
            response = self.get_response(request)
        finally:
            leave(entered)
        return cover(response, verdict)

    async def _handled(self, request: Any) -> Any:
        verdict = self._admitted(request)
        if not isinstance(verdict, (Real, Received)):
            return verdict
        entered = enter(verdict, is_work=True, marks_span=True)
        try:
            response = await self.get_response(request)
        finally:
            leave(entered)
        return cover(response, verdict)

    def process_exception(self, request: Any, exception: Exception) -> Any:
        """Answer where a guard refused an effect in a view or a template: a problem document with status 403."""
        answer = problem_of(exception)
        return None if answer is None else _response(answer, request)

    def _admitted(self, request: Any) -> Any:
        """The verdict on a request; or the response to one that was not admitted."""
        header: str | None = request.META.get("HTTP_BAGGAGE")
        config = _config.in_force or _config.active()
        verdict: Real | Received = REAL
        if header is not None or self._entrance.must_be_marked(config):
            admitted, reason, onward = admit(() if header is None else (header,), self._entrance, config)
            if admitted is None:
                return _response(refusal_of(reason), request)
            verdict = admitted
            if onward is not None:
                replace_baggage(request, onward, is_simulated=verdict is not REAL)
        request.marker = verdict.marker
        return verdict


def _settings() -> dict[str, Any]:
    given = cast("object", getattr(cast("Any", django_settings), _SETTING, {}))
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{_SETTING} in Django's settings must be a dict, not {given!r}.", setting=_SETTING)
    options = dict(cast("Mapping[str, Any]", given))
    for name in options:
        if name not in _OPTIONS:
            raise ConfigurationError(
                f"{_SETTING} in Django's settings has {name!r}; it takes {', '.join(_OPTIONS)}. All else is set with "
                "synthetic.configure.",
                setting=_SETTING,
            )
    if options.get("edge") not in (None, True, False):
        raise ConfigurationError(
            f"edge in {_SETTING} of Django's settings must be True or False, not {options['edge']!r}.", setting="edge"
        )
    return options


def _response(problem: Problem, request: Any) -> Any:
    # Not every server takes the body of a HEAD response off, and the next response would begin with it.
    body = b"" if request.method == "HEAD" else problem.body
    return cast("Any", HttpResponse)(body, status=problem.status, headers=dict(problem.headers))
