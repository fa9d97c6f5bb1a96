"""Playwright: Chromium and contexts, and the calls that Playwright makes itself; sync and async."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playwright import async_api, sync_api

from tests.support.switches import attributes_of

NAME = "playwright"

# Every name is this machine: the tests give their hosts the names that they like.
OPTIONS = ("--no-sandbox", "--host-resolver-rules=MAP * 127.0.0.1")


class Client:
    """Calls of an ``APIRequestContext``, with the sync API."""

    def __init__(self, requests: sync_api.APIRequestContext) -> None:
        self.requests = requests

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        return int(self.requests.get(url, headers=text(headers)).status)


class AsyncClient:
    """The same with the async API, in an event loop that all calls share."""

    def __init__(self, requests: async_api.APIRequestContext, loop: Any) -> None:
        self.requests = requests
        self.loop = loop

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        return int(self.loop.run(self.requests.get(url, headers=text(headers))).status)


def text(headers: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Playwright takes headers as text only."""
    if headers is None:
        return None
    return {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in headers.items()}


def patched() -> list[Any]:
    """What this library's instrumentation patches."""
    return attributes_of(
        *(
            getattr(api, name)
            for api in (sync_api, async_api)
            for name in ("APIRequest", "APIRequestContext", "Browser", "BrowserType", "Page")
        )
    )
