"""The error for calls that may not leave."""

from __future__ import annotations

import httpx2

from synthetic.errors import ExternalCallRefused
from synthetic_httpx_shared import Errors

__all__ = ["ERRORS", "ExternalRequestRefused"]


class ExternalRequestRefused(ExternalCallRefused, httpx2.RequestError):
    """Simulated work called a host that does not take part. Also an ``httpx2.RequestError``, with its ``request``."""


ERRORS = Errors(ExternalRequestRefused, httpx2.RequestError)
