"""urllib3: pools that call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import urllib3
from urllib3.connectionpool import HTTPConnectionPool

from synthetic_urllib3 import cover
from tests.support.switches import attributes_of

NAME = "urllib3"


class Client:
    def __init__(self, headers: Mapping[str, Any] | None = None, *, covered: bool = False, kind: Any = dict) -> None:
        self.manager = cover(urllib3.PoolManager()) if covered else urllib3.PoolManager()
        self.headers = dict(headers or {})
        self.kind = kind

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        passed = self.kind({**self.headers, **(headers or {})})
        return self.manager.request("GET", url, headers=passed, timeout=60).status


def get(url: str, headers: Mapping[str, Any] | None = None) -> int:
    """Make one call, with pools of its own."""
    with urllib3.PoolManager() as manager:
        return manager.request("GET", url, headers=headers, timeout=60).status


def patched() -> list[Any]:
    """What this library's instrumentation and OpenTelemetry's patch."""
    return attributes_of(HTTPConnectionPool)


def instrumentor() -> Any:
    from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor

    return URLLib3Instrumentor()
