"""A client middleware that sends the marker along, for use without patches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import ClientRequest, ClientResponse

from synthetic_aiohttp._out import decided

__all__ = ["client_middleware"]


async def client_middleware(
    request: ClientRequest, handler: Callable[[ClientRequest], Awaitable[ClientResponse]]
) -> ClientResponse:
    """Send the marker along with the calls of one session, without patches (aiohttp 3.12 or later).

    For ``ClientSession(middlewares=[..., client_middleware])``: put it last, so that it sees what leaves. aiohttp comes
    here for each redirect hop. Raises ExternalRequestRefused.
    """
    return await decided(request)(handler, request)
