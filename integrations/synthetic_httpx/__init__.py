"""The marker in calls that are made with httpx.

``instrument()`` (or ``synthetic.instrument("httpx")``) covers every client, synchronous and asynchronous, with any
transport; ``SyntheticTransport`` and ``AsyncSyntheticTransport`` cover the client that they are given to. Each redirect
hop is decided anew.
"""

from __future__ import annotations

import httpx

from synthetic._instrument import Integration
from synthetic.errors import ExternalCallRefused
from synthetic_httpx_shared._hop import Errors
from synthetic_httpx_shared._patches import patches
from synthetic_httpx_shared._transports import AsyncCarrying, Carrying

__all__ = [
    "AsyncSyntheticTransport",
    "ExternalRequestRefused",
    "SyntheticTransport",
    "instrument",
    "integration",
    "uninstrument",
]


class ExternalRequestRefused(ExternalCallRefused, httpx.RequestError):
    """Simulated work called a host that does not take part. Also an ``httpx.RequestError``, with its ``request``."""


_ERRORS = Errors(ExternalRequestRefused, httpx.RequestError)


class SyntheticTransport(Carrying[httpx.Request, httpx.Response, httpx.BaseTransport], httpx.BaseTransport):
    """A transport that sends the marker along, for one client or mount, where ``instrument()`` is too much.

    ``transport`` makes the calls; an ``HTTPTransport`` where it is not given.
    """

    _errors = _ERRORS

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        super().__init__(httpx.HTTPTransport() if transport is None else transport)


class AsyncSyntheticTransport(
    AsyncCarrying[httpx.Request, httpx.Response, httpx.AsyncBaseTransport], httpx.AsyncBaseTransport
):
    """The same for an ``AsyncClient``; an ``AsyncHTTPTransport`` makes the calls where none is given."""

    _errors = _ERRORS

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(httpx.AsyncHTTPTransport() if transport is None else transport)


integration: Integration = patches(httpx, _ERRORS)
"""The entry point ``httpx``."""


def instrument() -> None:
    """Send the marker along with every call of every client. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
