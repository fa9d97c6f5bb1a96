"""OpenFeature: flags, canaries and experiments can target simulated work, or leave it out.

``synthetic.instrument("openfeature")`` adds the marker to the context of every evaluation, by every client, and guards
``track`` with the effect ``analytics``. ``hook`` adds the marker where you register it.

The attributes are ``synthetic`` (True or False), and ``synthetic_run``, ``synthetic_kind``, ``synthetic_actor`` and
``synthetic_scenario``, which are empty if the marker does not name them and for real work. They replace those of the
same name that the application gives.
"""

from __future__ import annotations

from openfeature.client import OpenFeatureClient

from synthetic.integration import DefaultGuard, Integration, Patch, Patches
from synthetic_openfeature._explicit import hook
from synthetic_openfeature._out import evaluating, tracking
from synthetic_openfeature._refusal import UnverifiedContext

__all__ = ["UnverifiedContext", "hook", "integration"]

_TRACK = (  # since version 0.9
    (
        Patch(OpenFeatureClient, "track", tracking),
        DefaultGuard("openfeature.client:OpenFeatureClient.track", "analytics"),
    )
    if hasattr(OpenFeatureClient, "track")
    else ()
)

integration: Integration = Patches(
    Patch(OpenFeatureClient, "_run_before_hooks_and_update_context", evaluating),
    *_TRACK,
)
"""The entry point ``openfeature``."""
