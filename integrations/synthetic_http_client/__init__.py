"""The marker in calls that are made with the standard library: ``http.client``, ``urllib.request``, ``xmlrpc.client``.

``instrument()`` (or ``synthetic.instrument("http-client")``) covers every connection, and so whatever library is built
on ``http.client``. ``SyntheticHTTPConnection`` and the handlers for ``urllib.request.build_opener`` cover what they are
used for. Each redirect hop is decided anew: it is a request of its own.
"""

from __future__ import annotations

import http.client
import urllib.request
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

from synthetic._egress import in_context
from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic_http_client._departing import ExternalRequestRefused, decided

__all__ = [
    "ExternalRequestRefused",
    "SyntheticHTTPConnection",
    "SyntheticHTTPHandler",
    "SyntheticHTTPSConnection",
    "SyntheticHTTPSHandler",
    "instrument",
    "integration",
    "uninstrument",
]


class SyntheticHTTPConnection(http.client.HTTPConnection):
    """An ``http.client.HTTPConnection`` that sends the marker along; use it where ``instrument()`` is too much."""

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        """Send the request, with the marker if it is simulated. Raises ExternalRequestRefused."""
        otel = decided(self)
        with nullcontext() if otel is None else in_context(otel):
            super().endheaders(message_body, encode_chunked=encode_chunked)


class SyntheticHTTPSConnection(http.client.HTTPSConnection):
    """The same over TLS."""

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        """Send the request, with the marker if it is simulated. Raises ExternalRequestRefused."""
        otel = decided(self)
        with nullcontext() if otel is None else in_context(otel):
            super().endheaders(message_body, encode_chunked=encode_chunked)


class SyntheticHTTPHandler(urllib.request.HTTPHandler):
    """For ``urllib.request.build_opener``: calls to ``http`` URLs carry the marker."""

    def http_open(self, req: urllib.request.Request) -> Any:
        """Open one URL; the opener comes here for each redirect hop again."""
        return self.do_open(SyntheticHTTPConnection, req)


class SyntheticHTTPSHandler(urllib.request.HTTPSHandler):
    """For ``urllib.request.build_opener``: calls to ``https`` URLs carry the marker."""

    def do_open(self, http_class: Any, req: urllib.request.Request, **http_conn_args: Any) -> Any:
        """Open one URL with the context that this handler was made with."""
        if http_class is http.client.HTTPSConnection:
            http_class = SyntheticHTTPSConnection
        return super().do_open(http_class, req, **http_conn_args)


def _carrying(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``HTTPConnection.endheaders``, the last step before a request leaves.

    Every header line is written by then, also those of OpenTelemetry, and of Sentry, which wraps ``putrequest``.
    """

    @wraps(original)
    def endheaders(self: http.client.HTTPConnection, *args: Any, **kwargs: Any) -> Any:
        if is_on():
            decided(self)  # nothing below writes what the OpenTelemetry context holds
        return original(self, *args, **kwargs)

    return endheaders


integration: Integration = Patches(Patch(http.client.HTTPConnection, "endheaders", _carrying))
"""The entry point ``http-client``."""


def instrument() -> None:
    """Send the marker along with every request of every connection. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
