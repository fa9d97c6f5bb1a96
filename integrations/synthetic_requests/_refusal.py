"""The error for calls that may not leave."""

from __future__ import annotations

from typing import Any

from requests.exceptions import RequestException

from synthetic.errors import ExternalCallRefused

__all__ = ["ExternalRequestRefused"]


class ExternalRequestRefused(ExternalCallRefused, RequestException):
    """Simulated work called a host that does not take part. Also a ``requests.RequestException``."""

    def __init__(self, message: str, **facts: Any) -> None:
        RequestException.__init__(self, message)
        ExternalCallRefused.__init__(self, message, **facts)
