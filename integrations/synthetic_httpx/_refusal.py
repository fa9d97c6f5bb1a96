"""The error for calls that may not leave."""

from __future__ import annotations

import httpx

from synthetic.errors import ExternalCallRefused
from synthetic_httpx_shared import Errors

__all__ = ["ERRORS", "ExternalRequestRefused"]


class ExternalRequestRefused(ExternalCallRefused, httpx.RequestError):
    """Simulated work called a host that does not take part. Also an ``httpx.RequestError``, with its ``request``."""


ERRORS = Errors(ExternalRequestRefused, httpx.RequestError)
