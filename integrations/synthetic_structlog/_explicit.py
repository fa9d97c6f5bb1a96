"""The processors for structlog."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from synthetic.integration import without_tokens
from synthetic_logging import fields

__all__ = ["add_synthetic", "remove_tokens"]


def add_synthetic(logger: Any, method_name: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the fields of simulated work to an event that does not have them. Never raises.

    ``synthetic`` is True, with ``synthetic_run``, ``synthetic_kind`` and, where the marker has them,
    ``synthetic_actor`` and ``synthetic_scenario``; for work whose marker does not verify ``synthetic`` is
    ``"unverified"``. Events of real work stay as they are. Put it before the renderer, and before any processor that
    hands events to another thread.
    """
    for name, value in fields().items():
        if value:
            event_dict.setdefault(name, value)
    return event_dict


def remove_tokens(logger: Any, method_name: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take tokens out of an event: out of its values, nested ones too, and out of a traceback that is text already.

    Put it last before the renderer, after ``dict_tracebacks`` or ``format_exc_info``: tracebacks show local variables,
    and these may hold the headers of a request. An object that only the renderer makes into text is not searched.
    """
    for name, value in list(event_dict.items()):
        clean = without_tokens(value)
        if clean is not value:
            event_dict[name] = clean
    return event_dict
