"""The ``baggage`` header of a request, for the rest of a Django application."""

from __future__ import annotations

from typing import Any

__all__ = ["replace_baggage"]

_HEADER = "HTTP_BAGGAGE"


def replace_baggage(request: Any, header: str) -> None:
    """Replace the request's ``baggage`` by ``header``, in ``META``, headers and scope; remove it if that is empty."""
    request.META.pop(_HEADER, None)
    if header:
        request.META[_HEADER] = header
    request.__dict__.pop("headers", None)  # cached from its first use on
    scope = getattr(request, "scope", None)
    if scope is not None:  # what instrumentation reads in ASGI
        replaced = [(b"baggage", header.encode("latin-1"))] if header else []
        others = [pair for pair in scope["headers"] if pair[0].lower() != b"baggage"]
        request.scope = {**scope, "headers": replaced + others}
