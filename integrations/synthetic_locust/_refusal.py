"""The error for a call that simulated work must not make."""

from __future__ import annotations

from synthetic.errors import ExternalCallRefused

__all__ = ["ExternalRequestRefused"]


class ExternalRequestRefused(ExternalCallRefused):
    """A simulated actor called a host that does not take part. It is no error of the connection: nothing was sent."""
