"""Guards on analytics SDKs, where the application hands an event over: simulated work hands over none.

``synthetic.instrument()`` sets them for every SDK that is installed. Their effect is ``analytics``, so the policy may
say otherwise. The threads and tasks that send events start without a verdict, for they send the events of everybody.
"""

from __future__ import annotations

from synthetic.integration import DefaultGuard, Integration, LatePatches, Patches
from synthetic_analytics._tasks import polling_of_mixpanel, workers_of_posthog

__all__ = ["amplitude", "mixpanel", "posthog", "rudderstack", "segment"]

EFFECT = "analytics"
"""The effect of every guard here."""

_QUEUED: tuple[bool, dict[str, object]] = (True, {})
"""What a call of segment or rudderstack returns for an event that it has queued: success, and the message."""

amplitude: Integration = Patches(DefaultGuard("amplitude.client:Amplitude.track", EFFECT))
"""The entry point ``amplitude``. Its other methods call ``track``."""

mixpanel: Integration = Patches(
    *(
        DefaultGuard(f"mixpanel:Mixpanel.{method}", EFFECT)
        for method in ("track", "import_data", "alias", "merge", "people_update", "group_update")
    ),
    # A buffer holds the events of everybody. Real work will send it.
    DefaultGuard("mixpanel:BufferedConsumer.flush", EFFECT),
    LatePatches("mixpanel.flags.local_feature_flags", polling_of_mixpanel),
)
"""The entry point ``mixpanel``. The other ``people_`` and ``group_`` methods call the two here."""

posthog: Integration = Patches(
    *(
        DefaultGuard(f"posthog.client:Client.{method}", EFFECT, is_optional=method != "capture")
        for method in (
            *("capture", "capture_ai", "capture_exception", "set", "set_once", "group_identify", "alias"),
            *("identify", "page", "screen"),  # before version 6
        )
    ),
    *(
        DefaultGuard(f"posthog.async_client:AsyncClient.{method}", EFFECT, is_optional=True)
        for method in (
            *("capture", "capture_ai", "capture_exception", "capture_immediate"),
            *("set", "set_once", "group_identify", "alias"),
        )
    ),
    LatePatches("posthog.async_client", workers_of_posthog),
)
"""The entry point ``posthog``. The functions of the module ``posthog`` call the methods here."""

rudderstack: Integration = Patches(
    *(
        DefaultGuard(f"rudderstack.analytics.client:Client.{method}", EFFECT, returns=_QUEUED)
        for method in ("identify", "track", "alias", "group", "page", "screen")
    ),
)
"""The entry point ``rudderstack``."""

segment: Integration = Patches(
    *(
        DefaultGuard(f"segment.analytics.client:Client.{method}", EFFECT, returns=_QUEUED)
        for method in ("identify", "track", "alias", "group", "page", "screen")
    ),
)
"""The entry point ``segment``."""
