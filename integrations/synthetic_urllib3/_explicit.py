"""Connection pools that send the marker along, for use without patches."""

from __future__ import annotations

from typing import Any, TypeVar

import urllib3
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from synthetic_urllib3._out import made

__all__ = ["SyntheticHTTPConnectionPool", "SyntheticHTTPSConnectionPool", "cover"]

M = TypeVar("M", bound=urllib3.PoolManager)


class SyntheticHTTPConnectionPool(HTTPConnectionPool):
    """A connection pool that sends the marker along. Use it to cover one pool, without patches."""

    def _make_request(self, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        return made(self, super()._make_request, (conn, method, url, *args), kwargs)


class SyntheticHTTPSConnectionPool(HTTPSConnectionPool):
    """The same over TLS."""

    def _make_request(self, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        return made(self, super()._make_request, (conn, method, url, *args), kwargs)


def cover(manager: M) -> M:
    """Let the pools that ``manager`` makes from now on send the marker along, and return it.

    For a ``PoolManager`` or ``ProxyManager``. Call it before the first call of the manager: pools that exist already
    stay as they are.
    """
    pools: Any = {"http": SyntheticHTTPConnectionPool, "https": SyntheticHTTPSConnectionPool}
    manager.pool_classes_by_scheme = pools
    return manager
