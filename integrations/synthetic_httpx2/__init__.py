"""The marker in calls that are made with httpx2.

``instrument()`` (or ``synthetic.instrument("httpx2")``) covers every client, synchronous and asynchronous, with any
transport; ``SyntheticTransport`` and ``AsyncSyntheticTransport`` cover the client that they are given to. Each redirect
hop is decided anew.
"""

from __future__ import annotations

import httpx2

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


class ExternalRequestRefused(ExternalCallRefused, httpx2.RequestError):
    """Simulated work called a host that does not take part. Also an ``httpx2.RequestError``, with its ``request``."""


_ERRORS = Errors(ExternalRequestRefused, httpx2.RequestError)


class SyntheticTransport(Carrying[httpx2.Request, httpx2.Response, httpx2.BaseTransport], httpx2.BaseTransport):
    """A transport that sends the marker along, for one client or mount, where ``instrument()`` is too much.

    ``transport`` makes the calls; an ``HTTPTransport`` where it is not given.
    """

    _errors = _ERRORS

    def __init__(self, transport: httpx2.BaseTransport | None = None) -> None:
        super().__init__(httpx2.HTTPTransport() if transport is None else transport)


class AsyncSyntheticTransport(
    AsyncCarrying[httpx2.Request, httpx2.Response, httpx2.AsyncBaseTransport], httpx2.AsyncBaseTransport
):
    """The same for an ``AsyncClient``; an ``AsyncHTTPTransport`` makes the calls where none is given."""

    _errors = _ERRORS

    def __init__(self, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        super().__init__(httpx2.AsyncHTTPTransport() if transport is None else transport)


integration: Integration = patches(httpx2, _ERRORS)
"""The entry point ``httpx2``."""


def instrument() -> None:
    """Send the marker along with every call of every client. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
