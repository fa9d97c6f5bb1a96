"""What leaves through a client session: requests, each redirect hop, and websockets."""

from __future__ import annotations

from functools import wraps
from typing import Any

import aiohttp

from synthetic.integration import BAGGAGE, IsOn, Within, depart, directly, go_on_after
from synthetic_aiohttp._refusal import ExternalRequestRefused

__all__ = ["carrying", "decided"]


def carrying(original: Any, is_on: IsOn) -> Any:
    """Wrap ``BaseConnector.connect``, which a session calls for each hop and each retry.

    Middlewares and trace configurations (OpenTelemetry's, Sentry's) run above it, and may write the header as well.
    There is no connection yet.
    """

    @wraps(original)
    async def connect(self: aiohttp.BaseConnector, req: aiohttp.ClientRequest, *args: Any, **kwargs: Any) -> Any:
        if is_on():
            decided(req)  # nothing below writes what the OpenTelemetry context holds
        return await original(self, req, *args, **kwargs)

    return connect


def decided(request: aiohttp.ClientRequest) -> Within:
    """Put the marker into a request, or take it out, or refuse to send it; return how to send it.

    aiohttp makes the request, and the headers in it, anew for each hop: neither is the caller's.
    """
    try:
        headers = request.headers
        carried: str | None = None
        if BAGGAGE in headers:
            carried = ",".join(headers.getall(BAGGAGE))
        host = request.url.raw_host or ""
        header, within = depart(f"//[{host}]" if ":" in host else f"//{host}", carried, refused=ExternalRequestRefused)
    except Exception as error:
        return go_on_after(error, directly)
    if header is None:
        if carried is not None:
            del headers[BAGGAGE]
    elif header != carried:
        headers[BAGGAGE] = header
    return within
