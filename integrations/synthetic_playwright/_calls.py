"""What leaves through an ``APIRequestContext``: calls that Playwright makes itself, past the browser.

Playwright repeats the headers of a call to every host that it is redirected to. So a call that carries the marker is
sent hop by hop.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Error

from synthetic.integration import (
    BAGGAGE,
    IsOn,
    Patch,
    always_on,
    baggage_in,
    depart,
    go_on_after,
    has_marker,
    is_baggage,
)
from synthetic_playwright._flow import Api, Flow, api_of, method
from synthetic_playwright._marking import simulated_verdict
from synthetic_playwright._refusal import ExternalRequestRefused

__all__ = ["calls_of", "carry_calls", "note_base_url"]

_METHODS: Final = ("delete", "fetch", "get", "head", "patch", "post", "put")
_BODIES: Final = ("data", "form", "multipart")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LIMIT: Final = 20
"""Redirects that Playwright follows by default."""
_BASE_URL: Final = "_synthetic_base_url"


def calls_of(api: Api) -> Iterator[Patch]:
    """Return the patches of one API."""
    playwright = api_of(api)
    for name in _METHODS:
        yield Patch(playwright.APIRequestContext, name, partial(_calling, api, name))
    yield Patch(playwright.APIRequest, "new_context", partial(_making, api))


def carry_calls(api: Api, requests: Any) -> None:
    """Let one ``APIRequestContext`` send the marker along, without patches."""
    for name in _METHODS:
        if name not in vars(requests):
            original = getattr(type(requests), name)
            setattr(requests, name, partial(_calling(api, name, original, always_on), requests))


def note_base_url(requests: Any, url: str | None) -> None:
    """Note what the URLs of a context are relative to: Playwright does not tell."""
    if url is not None:
        setattr(requests, _BASE_URL, url)


def _making(api: Api, original: Any, is_on: IsOn) -> Any:
    """Wrap ``APIRequest.new_context``."""

    def making(maker: Any, *args: Any, **kwargs: Any) -> Flow[Any]:
        made = yield partial(original, maker, *args, **kwargs)
        note_base_url(made, kwargs.get("base_url"))
        return made

    return method(api, original, making)


def _calling(api: Api, name: str, original: Any, is_on: IsOn) -> Any:
    """Wrap one of the methods that make a call."""

    def calling(requests: Any, *args: Any, **kwargs: Any) -> Flow[Any]:
        if not is_on():
            return (yield partial(original, requests, *args, **kwargs))
        called = args[0] if args else kwargs.pop("url", None) or kwargs.pop("url_or_request")
        is_url = isinstance(called, str)
        url = urljoin(getattr(requests, _BASE_URL, ""), called) if is_url else called.url
        headers = kwargs.get("headers") or ({} if is_url else called.headers)
        try:
            header = _departing(url, headers)
            is_followed = simulated_verdict() is not None or (header is not None and has_marker([header]))
        except Exception as error:
            go_on_after(error, None)
            return (yield partial(original, requests, called, **kwargs))
        if is_followed or baggage_in(headers):
            kwargs["headers"] = _with_header(headers, header)
        if not is_followed:
            return (yield partial(original, requests, called, **kwargs))
        send = partial(original, requests, called)
        verb = (kwargs.get("method") or (None if is_url else called.method)) if name == "fetch" else name
        return (yield from _followed(requests, send, (verb or "GET").upper(), url, kwargs))

    return method(api, original, calling)


def _followed(requests: Any, send: Any, verb: str, url: str, options: dict[str, Any]) -> Flow[Any]:
    """Make a call and follow its redirects, as Playwright does, but decide on each hop."""
    limit = options.pop("max_redirects", None)
    limit = left = _LIMIT if limit is None else limit
    while True:
        response = yield partial(send, **options, max_redirects=0)
        location = response.headers.get("location")
        if response.status not in _REDIRECTS or not location or limit == 0:
            return response
        if left == 0:
            raise Error("Max redirect count exceeded")
        left -= 1
        before, url = response.url, urljoin(response.url, location)
        verb, options = _next(verb, response.status, options)
        headers = _without(options["headers"], "cookie")
        if urlsplit(before)[:2] != urlsplit(url)[:2]:
            # Also the one of extra_http_headers, which only another value replaces.
            headers = {**_without(headers, "authorization"), "authorization": ""}
        options["headers"] = _with_header(headers, _departing(url, headers))
        yield response.dispose
        send = partial(type(requests).fetch, requests, url, method=verb)


def _next(verb: str, status: int, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the method and the options of the call that follows a redirect."""
    dropped = {"max_redirects", "method", "params"}
    if (status in (301, 302) and verb == "POST") or (status == 303 and verb not in ("GET", "HEAD")):
        contents = [name for name in options["headers"] if name.lower().startswith("content-")]
        options = {**options, "headers": _without(options["headers"], *contents)}
        dropped.update(_BODIES)
        verb = "GET"
    return verb, {name: value for name, value in options.items() if name not in dropped}


def _departing(url: str, headers: dict[str, str]) -> str | None:
    present = baggage_in(headers)
    return depart(url, ",".join(present) if present else None, refused=ExternalRequestRefused).header


def _with_header(headers: dict[str, str], header: str | None) -> dict[str, str]:
    kept = {name: value for name, value in headers.items() if not is_baggage(name)}
    return kept if header is None else {**kept, BAGGAGE: header}


def _without(headers: dict[str, str], *names: str) -> dict[str, str]:
    unwanted = {name.lower() for name in names}
    return {name: value for name, value in headers.items() if name.lower() not in unwanted}
