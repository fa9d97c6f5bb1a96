"""What leaves over a connection: one request, as it stands in the connection's buffer just before it is sent."""

from __future__ import annotations

import re
from functools import lru_cache, wraps
from http.client import HTTPConnection
from typing import Any

from synthetic.integration import IsOn, Within, depart, directly, forget_injected, go_on_after
from synthetic_http_client._refusal import ExternalRequestRefused, final

__all__ = ["carrying", "decided", "opening"]

_BAGGAGE = b"baggage:"

# Only what every parser reads the same: a URL with a backslash or a second @ may name another host at a proxy.
_NAME = r"[\w.-]+"
_ADDRESS = rf"[0-9A-Fa-f:.]+(?:%{_NAME})?"
_HOST = re.compile(rf"{_NAME}|{_ADDRESS}|\[{_ADDRESS}\]")
_ABSOLUTE = re.compile(rf"[A-Za-z][\w+.-]*://(?:[^/?#@\\]*@)?(?P<host>{_NAME}|\[{_ADDRESS}\])(?::\d*)?(?=[/?# ])")
_AUTHORITY = re.compile(rf"(?P<host>{_NAME}|\[{_ADDRESS}\]):\d+ ")
_HAS_SCHEME = re.compile(r"[A-Za-z][\w+.-]*://")


def carrying(original: Any, is_on: IsOn) -> Any:
    """Wrap ``HTTPConnection.endheaders``, the last step before a request leaves.

    By then every header line is written, also those of OpenTelemetry, and of Sentry, which wraps ``putrequest``.
    """

    @wraps(original)
    def endheaders(self: HTTPConnection, *args: Any, **kwargs: Any) -> Any:
        if is_on():
            decided(self)  # nothing below writes what the OpenTelemetry context holds
        return original(self, *args, **kwargs)

    return endheaders


def opening(original: Any, is_on: IsOn) -> Any:
    """Wrap ``AbstractHTTPHandler.do_open`` of urllib, which sends a request that may be the caller's own.

    OpenTelemetry wraps the opener above it, and writes headers into that request.
    """

    @wraps(original)
    def do_open(self: Any, http_class: Any, req: Any, **http_conn_args: Any) -> Any:
        try:
            return original(self, http_class, req, **http_conn_args)
        finally:
            if is_on():
                forget_injected(req.headers)

    return do_open


def decided(connection: Any) -> Within:
    """Put the marker into the request that ``connection`` is about to send, or take it out, or refuse to send it.

    Returns how to send it. It may be asked twice for one request: by a connection
    for use without patches, and by the patch.
    """
    try:
        return _decided(connection)
    except Exception as error:
        # What stays in the buffer would go out before the next request; close() makes the connection usable again.
        connection._buffer.clear()
        connection.close()
        if isinstance(error, ExternalRequestRefused) and _is_tried_again(connection):
            raise final(error) from None
        raise


def _decided(connection: Any) -> Within:
    try:
        buffer: list[bytes] = connection._buffer
        carried = _carried(buffer) if _BAGGAGE in b"".join(buffer).lower() else None
        header, within = depart(_target(connection, buffer), carried, refused=ExternalRequestRefused)
    except Exception as error:
        return go_on_after(error, directly)
    if header != carried:
        buffer[:] = [line for line in buffer if line[:8].lower() != _BAGGAGE]
        if header is not None:
            buffer.append(b"baggage: " + header.encode("latin-1"))
    return within


def _carried(buffer: list[bytes]) -> str | None:
    values = [line[8:].decode("latin-1").strip(" \t") for line in buffer if line[:8].lower() == _BAGGAGE]
    return ",".join(values) if values else None


def _target(connection: Any, buffer: list[bytes]) -> str:
    """The host that is called, as ``depart`` reads it, and not a proxy on the way there.

    A request for a proxy has an absolute URL or the method CONNECT; any other goes to where the connection leads.
    """
    if tunnel := getattr(connection, "_tunnel_host", None):
        return _named(str(tunnel))
    request = buffer[0] if buffer else b""
    if b" /" in request[:10]:  # nearly every one
        return _named(str(connection.host))
    method, _, rest = request.decode("latin-1").partition(" ")
    if method == "CONNECT" or _HAS_SCHEME.match(rest):
        found = (_AUTHORITY if method == "CONNECT" else _ABSOLUTE).match(rest)
        return _named(found["host"]) if found else ""
    return _named(str(connection.host))


@lru_cache
def _named(host: str) -> str:
    """The URL of a host; empty if this is not a host name: no host without a name takes part."""
    if _HOST.fullmatch(host) is None:
        return ""
    return f"//[{host.strip('[]')}]" if ":" in host else f"//{host}"


def _is_tried_again(connection: Any) -> bool:
    """Whether urllib3 makes the call, which would send the request again."""
    return any("urllib3" in kind.__module__ for kind in type(connection).__mro__)
