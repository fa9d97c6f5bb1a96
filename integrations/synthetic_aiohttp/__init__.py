"""The marker in aiohttp: in the calls of its client, and at the door of its server.

``instrument()`` (or ``synthetic.instrument("aiohttp")``) covers every client session, whenever it was made;
``client_middleware`` covers the sessions that have it. A server is protected by ``install(app)``, or by what
``middleware()`` returns.
"""

from __future__ import annotations

from synthetic_aiohttp.client import (
    ExternalRequestRefused,
    client_middleware,
    instrument,
    integration,
    uninstrument,
)
from synthetic_aiohttp.server import install, marker, middleware

__all__ = [
    "ExternalRequestRefused",
    "client_middleware",
    "install",
    "instrument",
    "integration",
    "marker",
    "middleware",
    "uninstrument",
]
