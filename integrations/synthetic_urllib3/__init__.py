"""The marker in calls that are made with urllib3, version 1.26 or 2.

``synthetic.instrument("urllib3")`` covers every pool, and so every library that is built on urllib3; ``cover(manager)``
covers one pool manager. Each redirect hop and each retry is decided anew.
"""

from __future__ import annotations

from urllib3.connectionpool import HTTPConnectionPool

from synthetic.integration import Integration, Patch, Patches
from synthetic_urllib3._explicit import SyntheticHTTPConnectionPool, SyntheticHTTPSConnectionPool, cover
from synthetic_urllib3._out import carrying
from synthetic_urllib3._refusal import ExternalRequestRefused

__all__ = [
    "ExternalRequestRefused",
    "SyntheticHTTPConnectionPool",
    "SyntheticHTTPSConnectionPool",
    "cover",
    "integration",
]

integration: Integration = Patches(Patch(HTTPConnectionPool, "_make_request", carrying))
"""The entry point ``urllib3``: every call of every pool sends the marker along."""
