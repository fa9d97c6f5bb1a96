"""URLs that a parser may read in two ways: a simulated call reaches no host that takes no part, whoever's is right."""

from __future__ import annotations

import asyncio
import http.client
import socket
import urllib.request
from collections.abc import Callable
from itertools import repeat
from random import Random
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3

import synthetic
from synthetic.errors import ExternalCallRefused
from synthetic.integration import takes_part

SEED = 20_261_124
INSIDE = ("localhost", "payments.internal", "127.0.0.1", "[::1]", "ⓛocalhost", "user")
OUTSIDE = ("evil.example", "8.8.8.8", "[::ffff:8.8.8.8]", "134744072", "0x8.8.8.8", "010.8.8.8", "[fe80::1%25eth0]", "")
ENDS = (":", "@", "/", "\\", "?", "#", ":80", ".")
"""What ends a part of a URL."""

MARKS = (
    *("%", "..", "[", "]", ";", ",", "&", "=", "!", "'", "_", "-", "*", "xn--", "ß", "。", "．"),  # noqa: RUF001
    *("%2e", "%40", "%6c", "%00", "%2F", "%5c", "／", "？", "＃", "＠", "："),  # noqa: RUF001
    *("\t", "\n", "\r", " ", "\x00", "\xa0", "\u200b"),
)
"""What a parser might take for one, or leave out."""


def marks(random: Random, most: int) -> str:
    return "".join(random.choice(random.choice((ENDS, ENDS, MARKS))) for _ in range(random.randint(0, most)))


def strange_url(random: Random) -> str:
    """A host that takes part and one that does not, in either order, with marks before, between and behind."""
    first, second = random.sample((random.choice(INSIDE), random.choice(OUTSIDE)), 2)
    return f"http://{marks(random, 1)}{first}{marks(random, 3)}{second}{marks(random, 2)}"


def by_http_client(url: str) -> None:
    http.client.HTTPConnection(urlsplit(url).netloc, timeout=60).request("GET", "/")


def by_aiohttp(url: str) -> None:
    async def get() -> None:
        async with aiohttp.ClientSession() as session, session.get(url):
            pass

    asyncio.run(get())


def by_httpx_async(url: str) -> None:
    async def get() -> None:
        async with httpx.AsyncClient(verify=False, trust_env=False) as client:
            await client.get(url)

    asyncio.run(get())


def calls() -> dict[str, tuple[Callable[[str], Any], str]]:
    """The clients, and the integration for each: alone, for those below it would stop what it lets out."""
    pool = urllib3.PoolManager(retries=False)
    return {
        "requests": (requests.Session().get, "requests"),
        "urllib3": (lambda url: pool.request("GET", url), "urllib3"),
        "httpx": (httpx.Client(verify=False, trust_env=False).get, "httpx"),
        "httpx, asynchronous": (by_httpx_async, "httpx"),
        "httpx2": (httpx2.Client(verify=False, trust_env=False).get, "httpx2"),
        "aiohttp": (by_aiohttp, "aiohttp"),
        "urllib": (urllib.request.urlopen, "http-client"),
        "http.client": (by_http_client, "http-client"),
    }


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that were looked up or connected to; none of them answers."""
    hosts: list[str] = []

    def unreachable(host: Any) -> None:
        hosts.append(host.decode("latin-1") if isinstance(host, bytes) else str(host))
        raise OSError("nothing is reached here")

    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: unreachable(host))
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: unreachable(address[0]))
    return hosts


@pytest.mark.long
@pytest.mark.parametrize("name", calls())
def test_a_simulated_call_reaches_only_declared_hosts_however_its_url_is_spelled(
    name: str, keys: dict[str, Any], reached: list[str], long_run: bool
) -> None:
    call, integration = calls()[name]
    synthetic.configure(keys=keys)
    synthetic.instrument(integration)
    try:
        outcomes = {"refused": 0, "reached": 0}
        for url in map(strange_url, repeat(Random(SEED), 10_000 if long_run else 1_000)):
            reached.clear()
            with synthetic.simulated(run="rush-hour"):
                try:
                    call(url)
                except ExternalCallRefused:
                    outcomes["refused"] += 1
                except Exception:  # most of them are no URLs, and nobody is there
                    pass
            outcomes["reached"] += bool(reached)
            assert [host for host in reached if not takes_part(host)] == [], repr(url)
        assert min(outcomes.values()) > 0, outcomes
    finally:
        synthetic.uninstrument(integration)
