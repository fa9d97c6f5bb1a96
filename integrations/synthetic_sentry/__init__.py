"""Sentry: no token leaves with its events, and events of simulated work say so.

``synthetic.instrument("sentry")`` takes tokens out of all that ``sentry_sdk`` sends, whether ``sentry_sdk.init``
was called before or is called later. Errors and transactions of simulated work get the tags ``synthetic.run``,
``synthetic.kind`` and, where the marker has it, ``synthetic.scenario``. ``configure(sample_rate=...)`` sends only a
part of them.
"""

from __future__ import annotations

from sentry_sdk import client, envelope

from synthetic.integration import Integration, Patch, Patches
from synthetic_sentry._events import configure, preparing
from synthetic_sentry._payloads import making, reading

__all__ = ["configure", "integration"]

integration: Integration = Patches(
    Patch(client._Client, "_prepare_event", preparing),  # pyright: ignore[reportPrivateUsage]
    Patch(envelope.PayloadRef, "__init__", making),
    Patch(envelope.PayloadRef, "get_bytes", reading),
)
"""The entry point ``sentry``."""
