"""requests: sessions that call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from tests.support.switches import attributes_of

NAME = "requests"


class Client:
    def __init__(self, headers: Mapping[str, Any] | None = None, adapter: HTTPAdapter | None = None) -> None:
        self.session = requests.Session()
        self.session.headers.update(headers or {})
        if adapter is not None:
            self.session.mount("http://", adapter)

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        return self.session.get(url, headers=headers, timeout=60).status_code


def get(url: str, headers: Mapping[str, Any] | None = None) -> int:
    """Make one call, with a session of its own."""
    return requests.get(url, headers=headers, timeout=60).status_code


def patched() -> list[Any]:
    """What this library's instrumentation and OpenTelemetry's patch."""
    return attributes_of(requests.Session)


def instrumentor() -> Any:
    from opentelemetry.instrumentation.requests import RequestsInstrumentor

    return RequestsInstrumentor()
