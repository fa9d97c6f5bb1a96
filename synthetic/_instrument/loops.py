"""Event loops: their asynchronous generators end as what they began as, from the first one on."""

from __future__ import annotations

import sys
from functools import wraps
from typing import Any

from synthetic._instrument.patches import IsOn, Patch
from synthetic._work.state import watch_generators

__all__ = ["LOOPS"]


def _setting(original: Any, is_on: IsOn) -> Any:
    """Wrap ``sys.set_asyncgen_hooks``, which a loop calls when it begins to run."""

    @wraps(original)
    def set_asyncgen_hooks(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        if is_on():
            watch_generators()

    return set_asyncgen_hooks


LOOPS = Patch(sys, "set_asyncgen_hooks", _setting)
"""On for as long as anything is instrumented."""
