"""The ``baggage`` that the rest of a Django application is to see, in place of what came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthetic._baggage import forward_joined

__all__ = ["replace_baggage"]

_HEADER = "HTTP_BAGGAGE"


def replace_baggage(request: Any, values: Sequence[str], *, is_simulated: bool) -> None:
    """Put ``values`` in the place of the request's ``baggage``: in ``META``, ``headers`` and the scope."""
    header = forward_joined(values, is_simulated=is_simulated)
    request.META.pop(_HEADER, None)
    if header:
        request.META[_HEADER] = header
    request.__dict__.pop("headers", None)  # kept from its first use on
    scope = getattr(request, "scope", None)
    if scope is not None:  # what instrumentation reads in ASGI
        replaced = [(b"baggage", header.encode("latin-1"))] if header else []
        others = [pair for pair in scope["headers"] if pair[0].lower() != b"baggage"]
        request.scope = {**scope, "headers": replaced + others}
