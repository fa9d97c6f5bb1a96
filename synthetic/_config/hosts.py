"""Which hosts take part: the marker is sent only to these (docs/protocol.md, "Inside and onward")."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["DEFAULT_HOSTS", "SINGLE_LABELS", "HostRule"]

SINGLE_LABELS = "<local>"
"""The entry that stands for every name of a single label."""

DEFAULT_HOSTS = (
    SINGLE_LABELS,
    "localhost",
    "127.0.0.0/8",
    "::1",
    ".svc",
    ".cluster.local",
    ".internal",
    ".local",
    ".localhost",
)
"""The hosts that take part if ``internal_hosts`` is not set."""

# WHATWG URL, "ends in a number": such a name is an IPv4 address in some spelling (0x7f.1, 2130706433), not a label.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
_PATTERN = re.compile(r"\.?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?", re.ASCII)
_ZONED = re.compile(r"fe80:[0-9a-f:]*%[a-z0-9_.-]+", re.ASCII)
_LONGEST = 255
"""Characters of a host name: RFC 1035 allows 253, and Python's own address a few more with a zone."""

_REMEMBERED = 4096


class HostRule:
    """Decides whether a host takes part. ``hosts`` is the setting ``internal_hosts``; None means the default.

    A name matches itself, ``.example.com`` matches all names below it, ``10.0.0.0/8`` matches the addresses in it,
    ``<local>`` matches every name of a single label, and ``*`` matches every host. What is not a host name or an
    address (``evil%2f.internal``) matches nothing. Raises ValueError for an entry that can match nothing.
    """

    def __init__(self, hosts: Iterable[str] | None = None) -> None:
        self._single_labels = False
        self._names: set[str] = set()
        self._suffixes: list[str] = []
        self._networks: list[object] = []
        self.is_everything: bool = False
        """Whether every host takes part."""
        self._known: dict[str, bool] = {}
        self.entries: tuple[str, ...] = DEFAULT_HOSTS if hosts is None else tuple(hosts)
        """The hosts as they were given."""
        for host in self.entries:
            self._add(host)

    def __contains__(self, host: str) -> bool:
        known = self._known.get(host)
        if known is None:
            known = len(host) <= _LONGEST and host.isascii() and self._decide(_normal(host))
            if len(self._known) < _REMEMBERED and len(host) <= _LONGEST:
                self._known[host] = known
        return known

    def _add(self, entry: str) -> None:
        host = _normal(entry.strip())
        if entry == "*":
            self.is_everything = True
        elif entry == SINGLE_LABELS:
            self._single_labels = True
        elif network := _network(host):
            self._networks.append(network)
        elif _PATTERN.fullmatch(host) is None:
            raise ValueError(
                f"{entry!r} is not a host name. Write names without scheme, port or path: "
                "'payments', '.example.com' for all names below it, '10.0.0.0/8', or '*' for every host. "
                "Write a name beyond ASCII as in DNS, 'xn--...'"
            )
        elif _NUMERIC.fullmatch(host):
            raise ValueError(f"{entry!r} is an address in a form that never matches; write it as in 127.0.0.1")
        elif host.startswith("."):
            self._suffixes.append(host)
        else:
            self._names.add(host)

    def _decide(self, host: str) -> bool:
        if not host:
            return self.is_everything  # an unknown host
        if (address := _network(host)) is not None:
            return self.is_everything or any(_within(address, network) for network in self._networks)
        # Clients and proxies decode and cut anything else (evil%2f.internal), each in its own way.
        if _PATTERN.fullmatch(host) is None:
            return self.is_everything and _ZONED.fullmatch(host) is not None
        if self.is_everything or _NUMERIC.fullmatch(host):
            return self.is_everything
        if host in self._names or any(host.endswith(suffix) and host != suffix for suffix in self._suffixes):
            return True
        return self._single_labels and "." not in host


def _normal(host: str) -> str:
    host = host.lower()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return host[:-1] if host.endswith(".") else host


def _network(host: str) -> object | None:
    from ipaddress import IPv6Network, ip_network

    try:
        network = ip_network(host, strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and network.prefixlen == 128:
        mapped = network.network_address.ipv4_mapped
        return ip_network(mapped) if mapped else network
    return network


def _within(address: object, network: object) -> bool:
    from ipaddress import IPv4Network, IPv6Network

    if isinstance(address, IPv4Network) and isinstance(network, IPv4Network):
        return address.subnet_of(network)
    if isinstance(address, IPv6Network) and isinstance(network, IPv6Network):
        return address.subnet_of(network)
    return False
