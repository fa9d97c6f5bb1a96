"""The hook, for use without patches."""

from __future__ import annotations

from openfeature.evaluation_context import EvaluationContext  # pyright: ignore[reportMissingTypeStubs]
from openfeature.hook import Hook, HookContext, HookHints  # pyright: ignore[reportMissingTypeStubs]

from synthetic_openfeature._context import marked

__all__ = ["hook"]


class SyntheticHook(Hook):
    """Adds the marker to the context of each evaluation. It keeps no state, so one is enough."""

    def before(self, hook_context: HookContext, hints: HookHints) -> EvaluationContext:
        """Return the attributes of the current work.

        Raises UnverifiedContext for work whose marker does not verify. The evaluation then returns its default value.
        """
        return marked()


hook: Hook = SyntheticHook()
"""A hook that adds the marker to the context of each evaluation: ``api.add_hooks([synthetic_openfeature.hook])``.

What it adds replaces what the API, the transaction, the client and the call give. A hook that runs later may replace it
in turn, and ``api.clear_hooks()`` and ``api.shutdown()`` remove the hook. Neither affects
``synthetic.instrument("openfeature")``. Both together do no harm.
"""
