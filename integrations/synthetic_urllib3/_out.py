"""What leaves through a connection pool: each call, each redirect hop, and each retry."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import wraps
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool

from synthetic.integration import BAGGAGE, IsOn, baggage_in, depart, directly, go_on_after, is_baggage
from synthetic_urllib3._refusal import ExternalRequestRefused

__all__ = ["carrying", "made"]


def carrying(original: Any, is_on: IsOn) -> Any:
    """Wrap ``HTTPConnectionPool._make_request``, which ``urlopen`` calls for each hop and each retry.

    OpenTelemetry wraps ``urlopen`` above it, so the order in which the two are switched on does not matter. It is the
    same in every version.
    """

    @wraps(original)
    def _make_request(self: HTTPConnectionPool, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if is_on():
            return made(self, original.__get__(self), (conn, method, url, *args), kwargs)
        return original(self, conn, method, url, *args, **kwargs)

    return _make_request


def made(pool: Any, make: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make one request; urllib3 gives its headers by name."""
    try:
        headers = kwargs.get("headers")
        present = baggage_in(headers)
        carried = ",".join(present) if present else None
        header, within = depart(_target(pool, args[2]), carried, refused=ExternalRequestRefused)
    except Exception as error:
        headers = header = carried = go_on_after(error, None)
        within = directly
    if header != carried:
        kwargs = {**kwargs, "headers": _with_header({} if headers is None else headers, header)}
    return within(make, *args, **kwargs)


def _target(pool: Any, url: str) -> str:
    """The host that is called. A proxy gets the whole URL; the pool for a tunnel is named after the host itself.

    Anywhere else an absolute URL only says what the host is asked for.
    """
    if pool.proxy is not None and url[:1] != "/" and "://" in url:
        return url
    host: str = pool.host
    return f"//[{host.strip('[]')}]" if ":" in host else f"//{host}"


def _with_header(headers: Any, header: str | None) -> Any:
    """A copy: the headers may belong to the caller, or to every call of a pool."""
    departing: MutableMapping[str, Any] = headers.copy()
    for name in [name for name in departing if is_baggage(name)]:
        del departing[name]
    if header is not None:
        departing[BAGGAGE] = header
    return departing
