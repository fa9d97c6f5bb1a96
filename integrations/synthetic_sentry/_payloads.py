"""What leaves: every item of every envelope, whoever made it and whatever sends it."""

from __future__ import annotations

from functools import wraps
from typing import Any

from synthetic.integration import IsOn, without_tokens

__all__ = ["making", "reading"]


def making(original: Any, is_on: IsOn) -> Any:
    """Wrap ``PayloadRef.__init__``: events, transactions, logs, check-ins and attachments all become one.

    By then a value is final: local variables are text, and ``before_send`` has been called.
    """

    @wraps(original)
    def __init__(self: Any, bytes: Any = None, path: Any = None, json: Any = None) -> None:
        if is_on():
            bytes, json = without_tokens(bytes), without_tokens(json)
        original(self, bytes, path, json)

    return __init__


def reading(original: Any, is_on: IsOn) -> Any:
    """Wrap ``PayloadRef.get_bytes``, which reads a file, or writes values that only now become text."""

    @wraps(original)
    def get_bytes(self: Any) -> Any:
        content = original(self)
        return without_tokens(content) if is_on() else content

    return get_bytes
