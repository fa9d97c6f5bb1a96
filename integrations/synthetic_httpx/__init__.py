"""The marker in calls that are made with httpx.

``synthetic.instrument("httpx")`` covers every client, synchronous and asynchronous, with any transport;
``SyntheticTransport`` and ``AsyncSyntheticTransport`` cover the client that you give them to. Each redirect hop is
decided anew.
"""

from __future__ import annotations

import httpx

from synthetic.integration import Integration
from synthetic_httpx._explicit import AsyncSyntheticTransport, SyntheticTransport
from synthetic_httpx._refusal import ERRORS, ExternalRequestRefused
from synthetic_httpx_shared import patches

__all__ = ["AsyncSyntheticTransport", "ExternalRequestRefused", "SyntheticTransport", "integration"]

integration: Integration = patches(httpx, ERRORS)
"""The entry point ``httpx``: every call of every client sends the marker along."""
