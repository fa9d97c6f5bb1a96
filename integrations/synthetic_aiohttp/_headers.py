"""The headers of one request and its response, as aiohttp keeps them.

aiohttp reads headers as UTF-8, with ``surrogateescape`` for stray bytes; here they are text in latin-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from synthetic.integration import (
    ACKNOWLEDGEMENT,
    BAGGAGE,
    SIMULATED,
    SIMULATED_CACHE_CONTROL,
    Received,
    is_cache_header,
)

__all__ = ["baggage_of", "keep_out_of_caches", "remember", "replace_baggage"]


def baggage_of(request: web.BaseRequest) -> Sequence[str]:
    """Return the values of the ``baggage`` headers, in latin-1."""
    headers = request.headers
    if BAGGAGE not in headers:
        return ()
    values = headers.getall(BAGGAGE)
    return [value.encode("utf-8", "surrogateescape").decode("latin-1") for value in values]


def replace_baggage(request: web.BaseRequest, values: Sequence[str]) -> None:
    """Let ``request`` have these ``baggage`` headers, and no others.

    In place: ``clone()`` works only if no header has stray bytes and the body has not been read.
    """
    ours = [value.encode("latin-1") for value in values]
    others = [pair for pair in request.headers.items() if pair[0].lower() != BAGGAGE]
    headers = CIMultiDictProxy(
        CIMultiDict([*((BAGGAGE, value.decode("utf-8", "surrogateescape")) for value in ours), *others])
    )
    raw = (*((b"baggage", value) for value in ours), *(x for x in request.raw_headers if x[0].lower() != b"baggage"))
    inner: Any = request
    inner._message = inner._message._replace(headers=headers, raw_headers=raw)
    inner._headers = headers
    for cached in ("headers", "raw_headers"):
        inner._cache.pop(cached, None)


def remember(request: web.BaseRequest, name: str, value: object) -> None:
    """Do ``request[name] = value`` without the warning of aiohttp 3.14 and later about names that are strings."""
    inner: Any = request
    inner._state[name] = value


def keep_out_of_caches(request: web.BaseRequest, verdict: Received) -> None:
    """Let no shared cache keep the response to a simulated request, whatever the application says; acknowledge it.

    With the start of its response, a request takes no room any more that others wait for.
    """
    writer: Any = request.writer
    write = writer.write_headers

    async def write_headers(status_line: str, headers: CIMultiDict[str]) -> None:
        verdict.give_place_back()
        kept = CIMultiDict(pair for pair in headers.items() if not is_cache_header(pair[0]))
        kept["Cache-Control"] = SIMULATED_CACHE_CONTROL
        kept.setdefault(ACKNOWLEDGEMENT, SIMULATED)
        await write(status_line, kept)

    writer.write_headers = write_headers
