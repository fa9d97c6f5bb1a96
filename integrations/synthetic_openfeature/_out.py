"""What leaves for a provider: the context of each evaluation and of each tracked event."""

from __future__ import annotations

from functools import wraps
from typing import Any

from openfeature.evaluation_context import EvaluationContext  # pyright: ignore[reportMissingTypeStubs]

from synthetic.integration import IsOn
from synthetic_openfeature._context import marked

__all__ = ["evaluating", "tracking"]


def evaluating(original: Any, is_on: IsOn) -> Any:
    """Wrap the method of the client that returns the context for the provider, for calls of both kinds.

    Every hook has run before. The method is called where an error makes the evaluation return its default value.
    """

    @wraps(original)
    def run_before_hooks(*args: Any, **kwargs: Any) -> Any:
        merged = original(*args, **kwargs)
        return merged.merge(marked()) if is_on() else merged

    return run_before_hooks


def tracking(original: Any, is_on: IsOn) -> Any:
    """Wrap ``track``, for which no hook runs. What the call itself gives takes precedence over any other context."""

    @wraps(original)
    def track(
        client: Any,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if is_on():
            evaluation_context = (evaluation_context or EvaluationContext()).merge(marked())
        return original(client, tracking_event_name, evaluation_context, *args, **kwargs)

    return track
