"""The headers of outgoing messages, and headers for a client that no integration covers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from synthetic._config.in_force import active
from synthetic._egress.departure import Within, check_undeclared, dispatch
from synthetic._egress.injected import forget_injected, is_injected
from synthetic._model.verdict import Simulated
from synthetic._wire.baggage import entry_of
from synthetic._wire.carrier import BAGGAGE, Carrier, baggage_in, is_baggage
from synthetic._work.state import current_verdict, marker_of

__all__ = ["headers", "outgoing", "outgoing_pairs"]

_KEPT: Final[Any] = (list, tuple, Mapping)
"""Types that can be iterated twice."""


def headers() -> dict[str, str]:
    """Return the headers that carry the current marker, ``{"baggage": ...}``; ``{}`` for real work.

    Use them with any client that no integration covers, and send them only to services that take part. Raises
    UnverifiedMarker if the work carries a marker that does not verify, and UndeclaredWork where the setting
    ``undeclared`` refuses calls on which nothing was decided.
    """
    verdict = current_verdict()
    if verdict is None:
        check_undeclared(active())
    if marker_of(verdict) is None:
        return {}
    return {BAGGAGE: entry_of(active().key, cast("Simulated", verdict).token())}


def outgoing(headers: Mapping[str, Any] | None) -> tuple[Mapping[str, Any] | None, Within]:
    """Return the headers to send a message with, and ``within``, through which to send it.

    ``headers`` itself is not changed, because other work may send it again. Only what OpenTelemetry has written into it
    is taken out. Raises UnverifiedMarker for work whose
    marker does not verify.
    """
    present = baggage_in(headers) if headers else ()
    carried = ",".join(present) if present else None
    header, within = dispatch(carried)
    has_injected = bool(present) and is_injected(headers)
    if header == carried and len(present) < 2 and not has_injected:
        return headers, within
    kept = {name: value for name, value in (headers or {}).items() if not is_baggage(name)}
    if has_injected:
        forget_injected(headers)
    return ({**kept, BAGGAGE: header} if header is not None else kept), within


def outgoing_pairs(headers: Carrier) -> tuple[Any, Within]:
    """Do the same as ``outgoing`` for headers in pairs with values in bytes. Unchanged headers are not copied."""
    given: Any = headers if headers is None or isinstance(headers, _KEPT) else list(headers)
    present = baggage_in(given) if given else ()
    carried = ",".join(present) if present else None
    header, within = dispatch(carried)
    has_injected = bool(present) and is_injected(given)
    if header == carried and len(present) < 2 and not has_injected:
        return given, within
    pairs: Any = given.items() if hasattr(given, "items") else given or ()
    kept = [(name, value) for name, value in pairs if not is_baggage(name)]
    if has_injected:
        forget_injected(given)
    return ([*kept, (BAGGAGE, _encoded(header))] if header is not None else kept), within


def _encoded(header: str) -> bytes:
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:
        return header.encode()
