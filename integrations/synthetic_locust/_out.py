"""What leaves through Locust's clients: the marker, the names of requests, and the trace of a journey."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from http.client import HTTPConnection
from typing import Any

from synthetic.integration import ACKNOWLEDGEMENT, BAGGAGE, IsOn, Patch, depart
from synthetic_locust._answers import is_unacknowledged
from synthetic_locust._journeys import name_of_request, traceparent
from synthetic_locust._refusal import ExternalRequestRefused

__all__ = ["fast_client", "naming", "noticing"]

_TRACEPARENT = "traceparent"


def fast_client(module: Any) -> tuple[Patch, ...]:
    """Return the patch on geventhttpclient's client, in its module. There is one for each host, and so for each hop."""
    return (Patch(module.HTTPClient, "request", _sending),)


def _sending(original: Any, is_on: IsOn) -> Any:
    @wraps(original)
    def request(client: Any, method: str, request_uri: str, body: Any = b"", headers: Any = None) -> Any:
        if not is_on():
            return original(client, method, request_uri, body, headers)
        present = _baggage_of(client, headers)
        header, within = depart(f"//{client.host}:{client.port}", present, refused=ExternalRequestRefused)
        if header != present:
            # A copy: the caller may send the same headers elsewhere.
            headers = client.headers_type(headers)
            headers[BAGGAGE] = header or ""  # one that stands among the client's own headers is replaced by nothing
        return within(original, client, method, request_uri, body, headers)

    return request


def _baggage_of(client: Any, headers: Any) -> str | None:
    if headers and not isinstance(headers, client.headers_type):
        headers = client.headers_type(headers)
    found: str | None = headers.get(BAGGAGE) if headers else None
    return client.default_headers.get(BAGGAGE) if found is None else found


Tell = Callable[[str], object]
"""Is told of each request that was answered by a service that does not know markers."""


def noticing(tell: Tell) -> tuple[Patch, ...]:
    """Return the patches that look at every answer: of http.client, which requests and urllib3 use, and of gevent's.

    They see each hop of a request that is redirected.
    """
    from geventhttpclient.client import HTTPClient

    def answered(original: Any, is_on: IsOn) -> Any:
        @wraps(original)
        def getresponse(connection: Any, *args: Any, **kwargs: Any) -> Any:
            response = original(connection, *args, **kwargs)
            if is_on():
                host = getattr(connection, "_tunnel_host", None) or connection.host
                if is_unacknowledged(host, response.status, response.headers.get(ACKNOWLEDGEMENT)):
                    tell(f"{getattr(connection, '_synthetic_request', 'a request')} ({host}:{connection.port})")
            return response

        return getresponse

    def begun(original: Any, is_on: IsOn) -> Any:
        @wraps(original)
        def putrequest(connection: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            connection._synthetic_request = f"{method} {url}"
            return original(connection, method, url, *args, **kwargs)

        return putrequest

    def answered_fast(original: Any, is_on: IsOn) -> Any:
        @wraps(original)
        def request(client: Any, method: str, request_uri: str, *args: Any, **kwargs: Any) -> Any:
            response = original(client, method, request_uri, *args, **kwargs)
            if is_on() and is_unacknowledged(client.host, response.status_code, response.get(ACKNOWLEDGEMENT)):
                tell(f"{method} {request_uri} ({client.host}:{client.port})")
            return response

        return request

    return (
        Patch(HTTPConnection, "putrequest", begun),
        Patch(HTTPConnection, "getresponse", answered),
        Patch(HTTPClient, "request", answered_fast),
    )


def naming() -> tuple[Patch, ...]:
    """Return the patches that name requests after their step, and give them the trace of their journey."""
    from locust.clients import HttpSession
    from locust.contrib.fasthttp import FastHttpSession

    return Patch(HttpSession, "request", _named), Patch(FastHttpSession, "request", _named)


def _named(original: Any, is_on: IsOn) -> Any:
    @wraps(original)
    def request(session: Any, method: str, url: Any, name: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if name is None and getattr(session, "request_name", None) is None:  # FastHttpSession has none before 2.46
            name = name_of_request()
        header = traceparent()
        if header is not None:
            given: Mapping[str, str] = kwargs.get("headers") or {}
            if _TRACEPARENT not in {key.lower() for key in given}:
                kwargs["headers"] = {**given, _TRACEPARENT: header}
        return original(session, method, url, name, *args, **kwargs)

    return request
