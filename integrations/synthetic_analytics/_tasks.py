"""Tasks of asynchronous clients: one sends the events of everybody, another fetches the feature flags for them."""

from __future__ import annotations

from functools import wraps
from typing import Any

from synthetic.integration import IsOn, Patch, enter, leave, without_verdict

__all__ = ["polling_of_mixpanel", "workers_of_posthog"]


def workers_of_posthog(module: Any) -> list[Patch]:
    """Return the patch on ``AsyncClient``, whose workers are tasks that its first event starts."""
    return _if_there(module.AsyncClient, "_ensure_workers_started", _starting)


def polling_of_mixpanel(module: Any) -> list[Patch]:
    """Return the patch on the coroutine that polls for the definitions of flags, in a task of its own."""
    return _if_there(module.LocalFeatureFlagsProvider, "_astart_continuous_polling", _polling)


def _if_there(owner: Any, method: str, wrap: Any) -> list[Patch]:
    return [Patch(owner, method, wrap)] if hasattr(owner, method) else []


def _starting(original: Any, is_on: IsOn) -> Any:
    @wraps(original)
    def start(client: Any) -> Any:
        return without_verdict(original, client) if is_on() else original(client)

    return start


def _polling(original: Any, is_on: IsOn) -> Any:
    @wraps(original)
    async def poll(provider: Any) -> Any:
        if not is_on():
            return await original(provider)
        entered = enter(None)
        try:
            return await original(provider)
        finally:
            leave(entered)

    return poll
