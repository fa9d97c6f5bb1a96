"""What leaves through an ``APIRequestContext``: calls that Playwright makes itself, past the browser.

Playwright repeats the headers of a call to every host that it is redirected to. So a call that carries the marker is
sent hop by hop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple
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
)
from synthetic_playwright._flow import Api, Flow, api_of, method
from synthetic_playwright._marking import simulated_verdict
from synthetic_playwright._refusal import ExternalRequestRefused

__all__ = ["calls_of", "carry_calls", "note_defaults"]

_METHODS: Final = ("delete", "fetch", "get", "head", "patch", "post", "put")
_BODIES: Final = ("data", "form", "multipart")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LIMIT: Final = 20
"""Redirects that Playwright follows by default."""
_DEFAULTS: Final = "_synthetic_defaults"


class _Defaults(NamedTuple):
    base_url: str = ""
    headers: Mapping[str, str] = {}


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
            original = getattr(api_of(api).APIRequestContext, name)
            setattr(requests, name, partial(_calling(api, name, original, always_on), requests))


def note_defaults(requests: Any, options: dict[str, Any]) -> None:
    """Note what a context was made with: what its URLs are relative to, and its own baggage. Playwright does not tell.

    Playwright's headers take text only, so there is one ``baggage`` header.
    """
    baggage = baggage_in(options.get("extra_http_headers"))
    setattr(requests, _DEFAULTS, _Defaults(options.get("base_url") or "", {BAGGAGE: baggage[-1]} if baggage else {}))


def _making(api: Api, original: Any, is_on: IsOn) -> Any:
    """Wrap ``APIRequest.new_context``."""

    def making(maker: Any, *args: Any, **kwargs: Any) -> Flow[Any]:
        made = yield partial(original, maker, *args, **kwargs)
        note_defaults(made, kwargs)
        return made

    return method(api, original, making)


def _calling(api: Api, name: str, original: Any, is_on: IsOn) -> Any:
    """Wrap one of the methods that make a call."""

    def calling(requests: Any, *args: Any, **kwargs: Any) -> Flow[Any]:
        if not is_on():
            return (yield partial(original, requests, *args, **kwargs))
        called = args[0] if args else kwargs.pop("url", None) or kwargs.pop("url_or_request")
        defaults: _Defaults = getattr(requests, _DEFAULTS, _Defaults())
        is_url = isinstance(called, str)
        url = urljoin(defaults.base_url, called) if is_url else called.url
        given: dict[str, str] = kwargs.get("headers") or ({} if is_url else called.headers)
        headers: dict[str, str] = {**defaults.headers, **given} if not baggage_in(given) else given
        try:
            departing = _departing(url, headers)
            is_followed = simulated_verdict() is not None or has_marker(baggage_in(departing))
        except Exception as error:
            go_on_after(error, None)
            return (yield partial(original, requests, called, **kwargs))
        if departing != headers or is_followed:
            kwargs["headers"] = departing
        if not is_followed:
            return (yield partial(original, requests, called, **kwargs))
        verb = (kwargs.get("method") or ("GET" if is_url else called.method)) if name == "fetch" else name
        send = partial(original, requests, called)
        return (yield from _followed(api, requests, send, verb.upper(), kwargs))

    return method(api, original, calling)


def _followed(api: Api, requests: Any, send: Any, verb: str, options: dict[str, Any]) -> Flow[Any]:
    """Make a call and follow its redirects, as Playwright does, but decide on each hop."""
    fetch = api_of(api).APIRequestContext.fetch
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
        url = urljoin(response.url, location)
        verb, options = _next(verb, response.status, options)
        headers = _without(options["headers"], "cookie")
        if urlsplit(response.url)[:2] != urlsplit(url)[:2]:
            # Also the one of extra_http_headers, which only another value replaces.
            headers = {**_without(headers, "authorization"), "authorization": ""}
        options["headers"] = _departing(url, headers)
        yield response.dispose
        send = partial(fetch, requests, url, method=verb)


def _next(verb: str, status: int, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the method and the options of the call that follows a redirect."""
    dropped = {"max_redirects", "method", "params"}
    if (status in (301, 302) and verb == "POST") or (status == 303 and verb not in ("GET", "HEAD")):
        contents = [name for name in options["headers"] if name.lower().startswith("content-")]
        options = {**options, "headers": _without(options["headers"], *contents)}
        dropped.update(_BODIES)
        verb = "GET"
    return verb, {name: value for name, value in options.items() if name not in dropped}


def _departing(url: str, headers: dict[str, str]) -> dict[str, str]:
    """Return the headers as they leave. What was removed is empty, for the context may have a default."""
    present = baggage_in(headers)
    carried = ",".join(present) if present else None
    header = depart(url, carried, refused=ExternalRequestRefused).header
    return headers if header == carried else {**_without(headers, BAGGAGE), BAGGAGE: header or ""}


def _without(headers: dict[str, str], *names: str) -> dict[str, str]:
    unwanted = {name.lower() for name in names}
    return {name: value for name, value in headers.items() if name.lower() not in unwanted}
