"""The marker in calls that are made with httpx2.

``synthetic.instrument("httpx2")`` covers every client, synchronous and asynchronous, with any transport;
``SyntheticTransport`` and ``AsyncSyntheticTransport`` cover the client that you give them to. Each redirect hop is
decided anew.
"""

from __future__ import annotations

import httpx2

from synthetic.integration import Integration
from synthetic_httpx2._explicit import AsyncSyntheticTransport, SyntheticTransport
from synthetic_httpx2._refusal import ERRORS, ExternalRequestRefused
from synthetic_httpx_shared import patches

__all__ = ["AsyncSyntheticTransport", "ExternalRequestRefused", "SyntheticTransport", "integration"]

integration: Integration = patches(httpx2, ERRORS)
"""The entry point ``httpx2``: every call of every client sends the marker along."""
