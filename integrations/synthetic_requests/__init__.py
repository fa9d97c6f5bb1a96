"""The marker in calls that are made with requests.

``synthetic.instrument("requests")`` covers every session; ``SyntheticAdapter`` covers the URLs that it is mounted for.
Each redirect hop is decided anew.
"""

from __future__ import annotations

from synthetic.integration import Integration, Patches, noting_injections
from synthetic_requests._explicit import SyntheticAdapter
from synthetic_requests._out import Adapters
from synthetic_requests._refusal import ExternalRequestRefused

__all__ = ["ExternalRequestRefused", "SyntheticAdapter", "integration"]

integration: Integration = Patches(Adapters(), noting_injections())
"""The entry point ``requests``: every call of every session sends the marker along."""
