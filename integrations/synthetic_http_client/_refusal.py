"""The errors for calls that may not leave."""

from __future__ import annotations

import http.client
from typing import Any

from synthetic.errors import ExternalCallRefused

__all__ = ["ExternalRequestRefused", "final"]


class ExternalRequestRefused(ExternalCallRefused, http.client.HTTPException):
    """Simulated work called a host that does not take part. Also an ``http.client.HTTPException``."""

    def __init__(self, message: str, **facts: Any) -> None:
        http.client.HTTPException.__init__(self, message)
        ExternalCallRefused.__init__(self, message, **facts)


def final(error: ExternalRequestRefused) -> ExternalCallRefused:
    """Return the same refusal as an error that is no ``HTTPException``.

    urllib3 takes an ``HTTPException`` for a broken connection, and sends the request again.
    """
    return ExternalCallRefused(str(error), effect=error.effect, marker=error.marker, target=error.target)
