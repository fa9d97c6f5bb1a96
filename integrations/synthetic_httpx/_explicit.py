"""Transports that send the marker along, for use without patches."""

from __future__ import annotations

import httpx

from synthetic_httpx._refusal import ERRORS
from synthetic_httpx_shared import AsyncCarrying, Carrying

__all__ = ["AsyncSyntheticTransport", "SyntheticTransport"]


class SyntheticTransport(Carrying[httpx.Request, httpx.Response, httpx.BaseTransport], httpx.BaseTransport):
    """A transport that sends the marker along. Use it to cover one client or mount, without patches.

    ``transport`` makes the calls; without it, an ``HTTPTransport`` does.
    """

    _errors = ERRORS

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        super().__init__(httpx.HTTPTransport() if transport is None else transport)


class AsyncSyntheticTransport(
    AsyncCarrying[httpx.Request, httpx.Response, httpx.AsyncBaseTransport], httpx.AsyncBaseTransport
):
    """The same for an ``AsyncClient``; without ``transport``, an ``AsyncHTTPTransport`` makes the calls."""

    _errors = ERRORS

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(httpx.AsyncHTTPTransport() if transport is None else transport)
