"""The error for calls that may not leave."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Error

from synthetic.errors import ExternalCallRefused

__all__ = ["ExternalRequestRefused"]


class ExternalRequestRefused(ExternalCallRefused, Error):
    """Simulated work called a host that does not take part. Also a ``playwright.sync_api.Error``."""

    def __init__(self, message: str, **facts: Any) -> None:
        Error.__init__(self, message)
        ExternalCallRefused.__init__(self, message, **facts)
