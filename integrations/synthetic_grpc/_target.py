"""The hosts that a channel's target names (gRPC, "Name Resolution")."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import unquote, urlsplit

__all__ = ["urls_of"]

_NOWHERE = "//"
_LOCAL = ("unix", "unix-abstract")
_ADDRESSES = ("ipv4", "ipv6")
_NAMES = ("dns", "xds", "google-c2p")


@lru_cache(maxsize=1024)
def urls_of(target: str) -> tuple[str, ...]:
    """Return ``//host:port`` for every host that calls on this channel may go to; at least one.

    A Unix socket is on ``localhost``. What names no host gives ``//``, which never takes part.
    """
    return tuple(_url(place) for place in _places(target)) or (_NOWHERE,)


def _places(target: str) -> Iterator[str]:
    scheme, colon, rest = target.partition(":")
    scheme = scheme.lower()
    if not colon:
        yield target
    elif scheme in _LOCAL:
        yield "localhost"
    elif scheme in _ADDRESSES:
        yield from rest.lstrip("/").split(",")
    elif scheme in _NAMES:
        yield _endpoint(rest)
    elif scheme == "vsock" or rest.startswith("//"):
        yield ""
    else:
        yield target  # host:port, which gRPC resolves by DNS


def _endpoint(rest: str) -> str:
    """``//authority/endpoint``: the authority is who is asked for the address, and not where the call goes."""
    return rest[2:].partition("/")[2] if rest.startswith("//") else rest


def _url(place: str) -> str:
    place = unquote(place).strip()
    if place.startswith("["):
        address, _, port = place[1:].partition("]")
        place = f"[{address.partition('%')[0]}]{port}"  # without the zone
    elif place.count(":") > 1:
        place = f"[{place.partition('%')[0]}]"
    try:
        urlsplit(f"//{place}")
    except ValueError:
        return _NOWHERE
    return f"//{place}"
