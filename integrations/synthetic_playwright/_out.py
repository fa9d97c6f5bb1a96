"""What leaves through the pages of a browser: patches that mark each context that simulated work makes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from synthetic.errors import ConfigurationError
from synthetic.integration import REAL, IsOn, Patch, current_verdict
from synthetic_playwright._calls import note_defaults
from synthetic_playwright._flow import Api, Flow, api_of, method
from synthetic_playwright._marking import is_marked, marking, simulated_verdict, watched

__all__ = ["contexts_of"]


def contexts_of(api: Api) -> Iterator[Patch]:
    """Return the patches of one API."""
    playwright = api_of(api)
    yield Patch(playwright.Browser, "new_context", partial(_making, api))
    yield Patch(playwright.Browser, "new_page", partial(_making, api))
    yield Patch(playwright.BrowserType, "launch_persistent_context", partial(_making, api))
    yield Patch(playwright.Page, "goto", partial(_going, api))


def _making(api: Api, original: Any, is_on: IsOn) -> Any:
    """Wrap a method that makes a context, or a page with a context of its own."""

    def making(maker: Any, *args: Any, **kwargs: Any) -> Flow[Any]:
        verdict = simulated_verdict() if is_on() else None
        if verdict is not None and hasattr(maker, "new_browser_cdp_session"):
            yield from watched(api, maker)  # before there is a page
        made = yield partial(original, maker, *args, **kwargs)
        context: Any = getattr(made, "context", made)
        note_defaults(context.request, kwargs)
        if verdict is not None:
            try:
                yield from marking(api, context, verdict)
            except Exception:
                yield context.close
                raise
        return made

    return method(api, original, making)


def _going(api: Api, original: Any, is_on: IsOn) -> Any:
    """Wrap ``Page.goto``, which tells a context that belongs to other work."""

    def going(page: Any, *args: Any, **kwargs: Any) -> Flow[Any]:
        if is_on():
            is_simulated = simulated_verdict() is not None
            if is_simulated and not is_marked(page.context):
                raise ConfigurationError(
                    "simulated work cannot use this page: its browser context was made outside of simulated work, so "
                    "its requests are real. Make the context inside of synthetic.simulated(...), or mark() it."
                )
            if current_verdict() is REAL and is_marked(page.context):
                raise ConfigurationError(
                    "real work cannot use this page: its browser context is marked, so its requests are simulated."
                )
        return (yield partial(original, page, *args, **kwargs))

    return method(api, original, going)
