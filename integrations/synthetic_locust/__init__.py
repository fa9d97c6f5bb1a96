"""Simulated users on Locust: each user of a Locust process acts as simulated work, whatever its class.

``synthetic-traffic run FILE --target NAME`` runs the users of a Locust file. A file that imports ``journey`` or
``step`` is marked under ``locust -f FILE`` as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synthetic.integration import Integration, LatePatches, Patch, Patches

if TYPE_CHECKING:
    from synthetic_locust._journeys import journey, step

__all__ = ["integration", "journey", "step"]


def _fast_client(module: Any) -> tuple[Patch, ...]:
    from synthetic_locust._out import fast_client

    return fast_client(module)


integration: Integration = Patches(LatePatches("geventhttpclient.client", _fast_client))
"""The entry point ``locust``: calls of geventhttpclient, which ``FastHttpUser`` uses, carry the marker. Those of
``HttpUser`` go through requests."""


def __getattr__(name: str) -> Any:
    # Locust patches the process when it is imported, and a command that only turns the dial does not need that.
    if name not in ("journey", "step"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from synthetic_locust import _journeys
    from synthetic_locust._plugin import install_if_locust_runs

    install_if_locust_runs()
    return getattr(_journeys, name)
