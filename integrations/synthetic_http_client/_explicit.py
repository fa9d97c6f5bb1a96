"""Connections, and handlers for ``urllib.request``, that send the marker along: for use without patches."""

from __future__ import annotations

import http.client
import urllib.request
from typing import Any

from synthetic_http_client._out import decided

__all__ = [
    "SyntheticHTTPConnection",
    "SyntheticHTTPHandler",
    "SyntheticHTTPSConnection",
    "SyntheticHTTPSHandler",
]


class SyntheticHTTPConnection(http.client.HTTPConnection):
    """A connection that sends the marker along. Use it to cover one connection, without patches."""

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        """Send the request, with the marker if it is simulated. Raises ExternalRequestRefused."""
        decided(self)(super().endheaders, message_body, encode_chunked=encode_chunked)


class SyntheticHTTPSConnection(http.client.HTTPSConnection):
    """The same over TLS."""

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        """Send the request, with the marker if it is simulated. Raises ExternalRequestRefused."""
        decided(self)(super().endheaders, message_body, encode_chunked=encode_chunked)


class SyntheticHTTPHandler(urllib.request.HTTPHandler):
    """For ``urllib.request.build_opener``: calls to ``http`` URLs carry the marker."""

    def http_open(self, req: urllib.request.Request) -> Any:
        """Open one URL; the opener comes here again for each redirect hop."""
        return self.do_open(SyntheticHTTPConnection, req)


class SyntheticHTTPSHandler(urllib.request.HTTPSHandler):
    """For ``urllib.request.build_opener``: calls to ``https`` URLs carry the marker."""

    def do_open(self, http_class: Any, req: urllib.request.Request, **http_conn_args: Any) -> Any:
        """Open one URL, with the TLS settings that this handler was made with."""
        if http_class is http.client.HTTPSConnection:
            http_class = SyntheticHTTPSConnection
        return super().do_open(http_class, req, **http_conn_args)
