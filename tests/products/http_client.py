"""http.client and urllib.request: connections and openers that call."""

from __future__ import annotations

import http.client
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from tests.support.switches import attributes_of

NAME = "http-client"


class OpenerClient:
    """urllib.request, with redirects."""

    def __init__(self, headers: Mapping[str, Any] | None = None, *handlers: Any) -> None:
        self.opener = urllib.request.build_opener(*handlers)
        self.headers = dict(headers or {})

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        request = urllib.request.Request(url, headers={**self.headers, **(headers or {})})
        with self.opener.open(request, timeout=60) as response:
            return int(response.status)


class ConnectionClient:
    """http.client itself, whose caller follows redirects by hand."""

    def __init__(self, headers: Mapping[str, Any] | None = None, kind: Any = http.client.HTTPConnection) -> None:
        self.headers = dict(headers or {})
        self.kind = kind

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        parts = urlsplit(url)
        connection = self.kind(parts.hostname, parts.port, timeout=60)
        try:
            connection.request("GET", parts.path, headers={**self.headers, **(headers or {})})
            with connection.getresponse() as response:
                response.read()
                location = response.headers["Location"]
                status = int(response.status)
        finally:
            connection.close()
        return self.get(urljoin(url, location), headers) if location else status


def get(url: str, headers: Mapping[str, Any] | None = None) -> int:
    """Make one call with urllib.request."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=60) as response:
        return int(response.status)


def get_by_connection(url: str, headers: Mapping[str, Any] | None = None) -> int:
    """Make one call with http.client."""
    return ConnectionClient().get(url, headers)


def instrumentor() -> Any:
    """OpenTelemetry has one for urllib.request, and none for http.client."""
    from opentelemetry.instrumentation.urllib import URLLibInstrumentor

    return URLLibInstrumentor()


def patched() -> list[Any]:
    """What this library's instrumentation and OpenTelemetry's patch."""
    return attributes_of(http.client.HTTPConnection, urllib.request.OpenerDirector)
