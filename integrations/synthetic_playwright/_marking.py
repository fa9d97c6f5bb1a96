"""What marks a browser context: its requests are decided on, its WebSockets are refused.

What is known of a browser and of a context is kept on Playwright's own objects, and goes when they go.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any, Final

from synthetic import is_synthetic
from synthetic.errors import ConfigurationError
from synthetic.integration import Simulated, current_verdict
from synthetic_playwright._flow import Api, Flow, run_async, started
from synthetic_playwright._requests import Marked, Requests

__all__ = ["is_marked", "marking", "simulated_verdict", "watched"]

_REQUESTS: Final = "_synthetic_requests"
_MARKED: Final = "_synthetic_marked"
_POLICY_VIOLATION: Final = 1008


def simulated_verdict() -> Simulated | None:
    """Return the verdict in force if it is simulated. Raises UnverifiedMarker."""
    verdict = current_verdict() if is_synthetic() else None
    return verdict if isinstance(verdict, Simulated) else None


def is_marked(context: Any) -> bool:
    """Whether a context was marked."""
    return hasattr(context, _MARKED)


def marking(api: Api, context: Any, verdict: Simulated) -> Flow[None]:
    """Mark ``context`` for the work of ``verdict``. A context that is marked gets the new verdict."""
    marked: Marked | None = getattr(context, _MARKED, None)
    if marked is not None:
        marked.verdict = verdict
        return
    if context.browser is None:
        raise ConfigurationError("this browser context cannot be marked: Playwright does not tell its browser")
    marked = Marked(verdict)
    early: list[Any] = [] if _is_watched(context.browser) else context.pages
    if any(page.url != "about:blank" for page in early):
        raise ConfigurationError(
            "this browser context has pages that were loaded before it was marked, and their requests pass unseen. "
            "Mark a context before you open its first page."
        )
    requests = yield from watched(api, context.browser)
    requests.mark((yield from _id_of(context)), marked)
    yield partial(context.route_web_socket, re.compile(""), _refusing_web_sockets(api, marked))
    setattr(context, _MARKED, marked)
    for page in early:
        yield partial(page.goto, "about:blank")  # anew: only documents that are loaded from now on are seen


def watched(api: Api, browser: Any) -> Flow[Requests]:
    """Return the requests of a browser, which are paused from now on. Raises ConfigurationError."""
    if browser.browser_type.name != "chromium":
        raise ConfigurationError(
            f"simulated work cannot use {browser.browser_type.name}: of the browsers of Playwright, only Chromium lets "
            "each redirect hop be decided on. Elsewhere the token would go to whatever host a service redirects to."
        )
    if api == "async":
        # Contexts that are made at the same time wait for the same session.
        task = getattr(browser, _REQUESTS, None)
        if task is None or (task.done() and task.exception() is not None):
            task = asyncio.ensure_future(run_async(_watching(api, browser)))
            setattr(browser, _REQUESTS, task)
        return (yield partial(asyncio.shield, task))  # type: ignore[no-any-return]
    if not hasattr(browser, _REQUESTS):
        setattr(browser, _REQUESTS, (yield from _watching(api, browser)))
    return getattr(browser, _REQUESTS)  # type: ignore[no-any-return]


def _is_watched(browser: Any) -> bool:
    requests = getattr(browser, _REQUESTS, None)
    return requests.done() if isinstance(requests, asyncio.Future) else requests is not None


def _watching(api: Api, browser: Any) -> Flow[Requests]:
    requests = Requests((yield browser.new_browser_cdp_session))
    yield from requests.start(api)
    return requests


def _id_of(context: Any) -> Flow[str]:
    """Return the id by which the browser knows a context. Only a page can ask for it."""
    pages = context.pages
    page = pages[0] if pages else (yield context.new_page)
    session = yield partial(context.new_cdp_session, page)
    target = yield partial(session.send, "Target.getTargetInfo")
    yield session.detach
    if not pages:
        yield page.close
    return target["targetInfo"]["browserContextId"]  # type: ignore[no-any-return]


def _refusing_web_sockets(api: Api, marked: Marked) -> Any:
    def refuse(web_socket: Any) -> Any:
        marked.complain(
            f"the WebSocket {web_socket.url.partition('?')[0]}: its handshake cannot carry the marker, so the service "
            "would treat it as real. To answer it yourself, call context.route_web_socket() after mark()."
        )
        return started(
            api, partial(web_socket.close, code=_POLICY_VIOLATION, reason="simulated work: no marker in the handshake")
        )

    return refuse
