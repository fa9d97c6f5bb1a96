"""The error for calls that may not leave."""

from __future__ import annotations

from typing import Any

import aiohttp

from synthetic.errors import ExternalCallRefused

__all__ = ["ExternalRequestRefused"]


class ExternalRequestRefused(ExternalCallRefused, aiohttp.ClientError):
    """Simulated work called a host that does not take part. Also an ``aiohttp.ClientError``."""

    def __init__(self, message: str, **facts: Any) -> None:
        aiohttp.ClientError.__init__(self, message)
        ExternalCallRefused.__init__(self, message, **facts)
