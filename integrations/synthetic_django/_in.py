"""The middleware: it admits each request of a Django application, and answers where a guard refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings as django_settings  # type: ignore[import-untyped,unused-ignore]
from django.http import HttpResponse  # type: ignore[import-untyped,unused-ignore]

from synthetic.errors import ConfigurationError
from synthetic.integration import (
    AS_REAL,
    Admitted,
    Entrance,
    Problem,
    Real,
    Received,
    Refused,
    await_under,
    problem_of,
    refusal_of,
    under,
)
from synthetic_django._headers import replace_baggage
from synthetic_django._response import cover

__all__ = ["SyntheticTrafficMiddleware"]

_SETTING = "SYNTHETIC_TRAFFIC"
_OPTIONS = ("edge", "on_unverified", "on_missing")


class SyntheticTrafficMiddleware:
    """Admits each request as real or simulated, or answers it itself: 403 refused, 429 later.

    ``SYNTHETIC_TRAFFIC`` in the settings is a dict with ``edge``, ``on_unverified`` and ``on_missing``, as
    ``synthetic.asgi.SyntheticTrafficMiddleware`` takes them. For a setting that is not in it the configuration's is
    used; see ``synthetic.configure``. A wrong value raises ConfigurationError when Django builds its application.
    """

    sync_capable: ClassVar[bool] = True
    async_capable: ClassVar[bool] = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        self._is_async: bool = iscoroutinefunction(get_response)
        self._entrance = Entrance(**_settings(), is_on_loop=self._is_async)
        self._entrance.open()
        if self._is_async:
            markcoroutinefunction(cast("Any", self))

    def __call__(self, request: Any) -> Any:
        """Handle one request: return its response, or in ASGI a coroutine that does."""
        if self._is_async:
            return self._handled(request)
        verdict = self._verdict_on(request, self._decision_on(request))
        if not isinstance(verdict, (Real, Received)):
            return verdict
        verdict.begin()
        try:
            response = under(verdict, self.get_response, request)
        except BaseException:
            verdict.end()
            raise
        return cover(response, verdict)

    async def _handled(self, request: Any) -> Any:
        decision = self._decision_on(request)
        if decision is not AS_REAL:
            decision = await self._entrance.turn(decision)
        verdict = self._verdict_on(request, decision)
        if not isinstance(verdict, (Real, Received)):
            return verdict
        verdict.begin()
        try:
            response = await await_under(verdict, self.get_response, request)
        except BaseException:
            verdict.end()
            raise
        if verdict.place is not None:
            verdict.give_place_back()  # the response starts
        return cover(response, verdict)

    def process_exception(self, request: Any, exception: Exception) -> Any:
        """Answer a request where a guard refused an effect in a view or a template, with status 403."""
        answer = problem_of(exception)
        return None if answer is None else _response(answer, request)

    def _decision_on(self, request: Any) -> Admitted | Refused:
        header: str | None = request.META.get("HTTP_BAGGAGE")
        return self._entrance.decide(() if header is None else (header,))

    def _verdict_on(self, request: Any, decision: Admitted | Refused) -> Any:
        """The verdict on a request; or the response to one that was not admitted."""
        if isinstance(decision, Refused):
            return _response(refusal_of(decision.reason), request)
        if decision.onward is not None:
            replace_baggage(request, decision.onward_joined())
        request.marker = decision.verdict.marker
        return decision.verdict


def _settings() -> dict[str, Any]:
    given = cast("object", getattr(cast("Any", django_settings), _SETTING, {}))
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{_SETTING} in Django's settings must be a dict, not {given!r}.", setting=_SETTING)
    options = dict(cast("Mapping[str, Any]", given))
    for name in options:
        if name not in _OPTIONS:
            raise ConfigurationError(
                f"{_SETTING} in Django's settings has {name!r}; it takes {', '.join(_OPTIONS)}. Set everything "
                "else with synthetic.configure.",
                setting=_SETTING,
            )
    if options.get("edge") not in (None, True, False):
        raise ConfigurationError(
            f"edge in {_SETTING} of Django's settings must be True or False, not {options['edge']!r}.", setting="edge"
        )
    return options


def _response(problem: Problem, request: Any) -> Any:
    # Not every server removes the body of a HEAD response, and the next response would begin with it.
    body = b"" if request.method == "HEAD" else problem.body
    return cast("Any", HttpResponse)(body, status=problem.status, headers=dict(problem.headers))
