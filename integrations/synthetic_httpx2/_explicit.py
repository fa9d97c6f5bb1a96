"""Transports that send the marker along, for use without patches."""

from __future__ import annotations

import httpx2

from synthetic_httpx2._refusal import ERRORS
from synthetic_httpx_shared import AsyncCarrying, Carrying

__all__ = ["AsyncSyntheticTransport", "SyntheticTransport"]


class SyntheticTransport(Carrying[httpx2.Request, httpx2.Response, httpx2.BaseTransport], httpx2.BaseTransport):
    """A transport that sends the marker along. Use it to cover one client or mount, without patches.

    ``transport`` makes the calls; without it, an ``HTTPTransport`` does.
    """

    _errors = ERRORS

    def __init__(self, transport: httpx2.BaseTransport | None = None) -> None:
        super().__init__(httpx2.HTTPTransport() if transport is None else transport)


class AsyncSyntheticTransport(
    AsyncCarrying[httpx2.Request, httpx2.Response, httpx2.AsyncBaseTransport], httpx2.AsyncBaseTransport
):
    """The same for an ``AsyncClient``; without ``transport``, an ``AsyncHTTPTransport`` makes the calls."""

    _errors = ERRORS

    def __init__(self, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        super().__init__(httpx2.AsyncHTTPTransport() if transport is None else transport)
