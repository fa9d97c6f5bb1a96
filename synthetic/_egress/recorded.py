"""Values that somebody is about to record, without tokens."""

from __future__ import annotations

from typing import Any

from synthetic._config.in_force import active
from synthetic._wire.scrub import without_tokens as _without_tokens
from synthetic.errors import ConfigurationError

__all__ = ["without_tokens"]


def without_tokens(value: Any) -> Any:
    """Return ``value`` without tokens: text, bytes, or mappings, lists and tuples of these. Never raises.

    A value without any is returned as it is; ``value`` itself is never changed. Other objects stay as they are.
    """
    try:
        key = active().key
    except ConfigurationError:
        key = "synthetic-traffic"
    return _without_tokens(value, key)
