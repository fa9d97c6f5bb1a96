"""The error for calls that may not leave."""

from __future__ import annotations

from typing import Any

from urllib3.exceptions import HTTPError

from synthetic.errors import ExternalCallRefused

__all__ = ["ExternalRequestRefused"]


class ExternalRequestRefused(ExternalCallRefused, HTTPError):
    """Simulated work called a host that does not take part. Also a ``urllib3.exceptions.HTTPError``."""

    def __init__(self, message: str, **facts: Any) -> None:
        HTTPError.__init__(self, message)
        ExternalCallRefused.__init__(self, message, **facts)
