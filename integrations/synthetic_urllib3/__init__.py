"""The marker in calls that are made with urllib3, version 1.26 or 2.

``instrument()`` (or ``synthetic.instrument("urllib3")``) covers every pool, and so what is built on urllib3;
``cover(manager)`` covers one pool manager. Each redirect hop and each retry is decided anew.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import wraps
from typing import Any, TypeVar

import urllib3
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from synthetic._carrier import NAME, baggage_in, is_ours
from synthetic._egress import depart, in_context
from synthetic._failure import go_on_after
from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic.errors import ExternalCallRefused

__all__ = [
    "ExternalRequestRefused",
    "SyntheticHTTPConnectionPool",
    "SyntheticHTTPSConnectionPool",
    "cover",
    "instrument",
    "integration",
    "uninstrument",
]

M = TypeVar("M", bound=urllib3.PoolManager)


class ExternalRequestRefused(ExternalCallRefused, HTTPError):
    """Simulated work called a host that does not take part. Also a ``urllib3.exceptions.HTTPError``."""

    def __init__(self, message: str, **facts: Any) -> None:
        HTTPError.__init__(self, message)
        ExternalCallRefused.__init__(self, message, **facts)


class SyntheticHTTPConnectionPool(HTTPConnectionPool):
    """A connection pool that sends the marker along; use it where ``instrument()`` is too much."""

    def _make_request(self, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        return _made(self, super()._make_request, (conn, method, url, *args), kwargs)


class SyntheticHTTPSConnectionPool(HTTPSConnectionPool):
    """The same over TLS."""

    def _make_request(self, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        return _made(self, super()._make_request, (conn, method, url, *args), kwargs)


def cover(manager: M) -> M:
    """Let the pools that ``manager`` makes from now on send the marker along, and return it.

    For a ``PoolManager`` or ``ProxyManager``, before its first call: pools that it has made already stay as they are.
    """
    pools: Any = {"http": SyntheticHTTPConnectionPool, "https": SyntheticHTTPSConnectionPool}
    manager.pool_classes_by_scheme = pools
    return manager


def _made(pool: Any, make: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make one request, of which urllib3 gives the headers by name."""
    try:
        headers = kwargs.get("headers")
        present = baggage_in(headers)
        carried = ",".join(present) if present else None
        header, otel = depart(_target(pool, args[2]), carried, refused=ExternalRequestRefused)
    except Exception as error:
        headers = header = carried = otel = go_on_after(error, None)
    if header != carried:
        kwargs = {**kwargs, "headers": _with_header({} if headers is None else headers, header)}
    if otel is None:
        return make(*args, **kwargs)
    with in_context(otel):
        return make(*args, **kwargs)


def _target(pool: Any, url: str) -> str:
    """The host that is called: a proxy is given the whole URL, and a pool for a tunnel is that of the host itself.

    Anywhere else an absolute URL only says what the host is asked for.
    """
    if pool.proxy is not None and url[:1] != "/" and "://" in url:
        return url
    host: str = pool.host
    return f"//[{host.strip('[]')}]" if ":" in host else f"//{host}"


def _with_header(headers: Any, header: str | None) -> Any:
    """A copy: the headers may be the caller's own, or those of every call of a pool."""
    departing: MutableMapping[str, Any] = headers.copy()
    for name in [name for name in departing if is_ours(name)]:
        del departing[name]
    if header is not None:
        departing[NAME] = header
    return departing


def _carrying(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``HTTPConnectionPool._make_request``, which ``urlopen`` asks for each hop and each retry.

    That is below what OpenTelemetry wraps, so that the order of switching on does not matter, and it is the same in
    every version.
    """

    @wraps(original)
    def _make_request(self: HTTPConnectionPool, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if is_on():
            return _made(self, original.__get__(self), (conn, method, url, *args), kwargs)
        return original(self, conn, method, url, *args, **kwargs)

    return _make_request


integration: Integration = Patches(Patch(HTTPConnectionPool, "_make_request", _carrying))
"""The entry point ``urllib3``."""


def instrument() -> None:
    """Send the marker along with every call of every pool. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
