"""The marker in aiohttp: in the calls of its client, and at the door of its server.

``synthetic.instrument("aiohttp")`` covers every client session, whenever it was made; ``client_middleware`` covers only
the sessions that have it. To protect a server, call ``install(app)``, or add what ``middleware()`` returns.
"""

from __future__ import annotations

import aiohttp

from synthetic.integration import Integration, Patch, Patches
from synthetic_aiohttp._explicit import client_middleware
from synthetic_aiohttp._in import install, marker, middleware
from synthetic_aiohttp._out import carrying
from synthetic_aiohttp._refusal import ExternalRequestRefused

__all__ = ["ExternalRequestRefused", "client_middleware", "install", "integration", "marker", "middleware"]

integration: Integration = Patches(Patch(aiohttp.BaseConnector, "connect", carrying))
"""The entry point ``aiohttp``: every call of every session sends the marker along."""
