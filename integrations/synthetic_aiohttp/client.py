"""The marker in calls that are made with aiohttp's client: requests, each redirect hop, and websockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import aiohttp
from opentelemetry.context import Context

from synthetic._carrier import NAME
from synthetic._egress import depart, in_context
from synthetic._failure import go_on_after
from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic.errors import ExternalCallRefused

__all__ = ["ExternalRequestRefused", "client_middleware", "instrument", "integration", "uninstrument"]


class ExternalRequestRefused(ExternalCallRefused, aiohttp.ClientError):
    """Simulated work called a host that does not take part. Also an ``aiohttp.ClientError``."""

    def __init__(self, message: str, **facts: Any) -> None:
        aiohttp.ClientError.__init__(self, message)
        ExternalCallRefused.__init__(self, message, **facts)


async def client_middleware(
    request: aiohttp.ClientRequest, handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]
) -> aiohttp.ClientResponse:
    """Send the marker along with the calls of one session, where ``instrument()`` is too much (aiohttp 3.12 or later).

    For ``ClientSession(middlewares=[..., client_middleware])``: put it last, so that it sees what leaves. aiohttp comes
    here for each redirect hop. Raises ExternalRequestRefused.
    """
    otel = _decided(request)
    if otel is None:
        return await handler(request)
    with in_context(otel):
        return await handler(request)


def _decided(request: aiohttp.ClientRequest) -> Context | None:
    """Put the marker into a request, or take it out, or refuse to send it.

    aiohttp makes the request, and the headers in it, anew for each hop: neither is the caller's.
    """
    try:
        headers = request.headers
        carried: str | None = None
        if NAME in headers:
            carried = ",".join(headers.getall(NAME))
        host = request.url.raw_host or ""
        header, otel = depart(f"//[{host}]" if ":" in host else f"//{host}", carried, refused=ExternalRequestRefused)
    except Exception as error:
        return go_on_after(error, None)
    if header is None:
        if carried is not None:
            del headers[NAME]
    elif header != carried:
        headers[NAME] = header
    return otel


def _carrying(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``BaseConnector.connect``, which a session asks for its way out, for each hop and each retry.

    That is below middlewares and trace configurations (OpenTelemetry's, Sentry's), which may write the header as well,
    and before there is a connection.
    """

    @wraps(original)
    async def connect(self: aiohttp.BaseConnector, req: aiohttp.ClientRequest, *args: Any, **kwargs: Any) -> Any:
        if is_on():
            _decided(req)  # nothing below writes what the OpenTelemetry context holds
        return await original(self, req, *args, **kwargs)

    return connect


integration: Integration = Patches(Patch(aiohttp.BaseConnector, "connect", _carrying))
"""The entry point ``aiohttp``."""


def instrument() -> None:
    """Send the marker along with every call of every session. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
