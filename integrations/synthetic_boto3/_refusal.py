"""Errors for simulated work. Their messages are written out; botocore makes its own from templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synthetic.errors import ExternalCallRefused, SyntheticTrafficError

if TYPE_CHECKING:
    BotoCoreError = Exception  # botocore has no types
else:
    from botocore.exceptions import BotoCoreError

__all__ = ["ExternalRequestRefused", "NoRoomForMarker"]


class ExternalRequestRefused(ExternalCallRefused, BotoCoreError):
    """Simulated work called a host that does not take part. Also a ``botocore.exceptions.BotoCoreError``."""

    def __init__(self, message: str, **facts: Any) -> None:
        Exception.__init__(self, message)
        self.kwargs: dict[str, Any] = {}
        self.__dict__.update(facts)


class NoRoomForMarker(SyntheticTrafficError, BotoCoreError):
    """Simulated work sends a message that has no room for the marker, without which it would be handled as real.

    Nothing was sent, no other message of a batch either. Also a ``botocore.exceptions.BotoCoreError``.
    """

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)
        self.kwargs: dict[str, Any] = {}

    def __reduce__(self) -> Any:
        return type(self), self.args
