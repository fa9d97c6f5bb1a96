"""The marker in requests of a browser that Playwright drives.

``synthetic.instrument("playwright")`` covers every browser context that simulated work makes, and the calls of every
``APIRequestContext``; ``mark`` covers one browser context. Each request and each redirect hop is decided anew, so the
marker goes to the hosts that take part and to no other. The browser must be Chromium.
"""

from __future__ import annotations

from synthetic.integration import Integration, Patches
from synthetic_playwright._calls import calls_of
from synthetic_playwright._explicit import mark
from synthetic_playwright._out import contexts_of
from synthetic_playwright._refusal import ExternalRequestRefused

__all__ = ["ExternalRequestRefused", "integration", "mark"]

integration: Integration = Patches(*contexts_of("sync"), *contexts_of("async"), *calls_of("sync"), *calls_of("async"))
"""The entry point ``playwright``: every context that simulated work makes is marked."""
