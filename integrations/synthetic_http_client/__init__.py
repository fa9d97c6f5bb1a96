"""The marker in calls that are made with the standard library: ``http.client``, ``urllib.request``, ``xmlrpc.client``.

``synthetic.instrument("http-client")`` covers every connection, and so every library that is built on ``http.client``.
``SyntheticHTTPConnection`` and the handlers for ``urllib.request.build_opener`` cover only the calls that use them.
Each redirect hop is decided anew: it is a request of its own.
"""

from __future__ import annotations

import http.client

from synthetic.integration import Integration, LatePatches, Patch, Patches, noting_injections
from synthetic_http_client._explicit import (
    SyntheticHTTPConnection,
    SyntheticHTTPHandler,
    SyntheticHTTPSConnection,
    SyntheticHTTPSHandler,
)
from synthetic_http_client._out import carrying, opening
from synthetic_http_client._refusal import ExternalRequestRefused

__all__ = [
    "ExternalRequestRefused",
    "SyntheticHTTPConnection",
    "SyntheticHTTPHandler",
    "SyntheticHTTPSConnection",
    "SyntheticHTTPSHandler",
    "integration",
]

integration: Integration = Patches(
    Patch(http.client.HTTPConnection, "endheaders", carrying),
    LatePatches("urllib.request", lambda module: (Patch(module.AbstractHTTPHandler, "do_open", opening),)),
    noting_injections(),
)
"""The entry point ``http-client``: every request of every connection sends the marker along."""
