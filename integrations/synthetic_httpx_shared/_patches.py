"""The patch on the clients of a module."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from synthetic._patch import Patch, Patches
from synthetic_httpx_shared._hop import Errors, sent, sent_async

__all__ = ["patches"]


def patches(module: Any, errors: Errors) -> Patches:
    """Return the patches for every client of ``module``, httpx or httpx2.

    ``_send_single_request`` is where each hop of every call passes: redirects and the requests of an authentication,
    with whatever transport is mounted for the URL. OpenTelemetry wraps ``HTTPTransport`` or a client's own transports,
    below; it writes what the context says, in which we make the call. Were ours on the same attribute, its way of
    unwrapping would not find its own wrapper under ours.
    """

    def synchronous(original: Any, is_on: Callable[[], bool]) -> Any:
        @wraps(original)
        def _send_single_request(client: Any, request: Any) -> Any:
            send = original.__get__(client, client.__class__)
            return sent(send, request, errors) if is_on() else send(request)

        return _send_single_request

    def asynchronous(original: Any, is_on: Callable[[], bool]) -> Any:
        @wraps(original)
        async def _send_single_request(client: Any, request: Any) -> Any:
            send = original.__get__(client, client.__class__)
            return await (sent_async(send, request, errors) if is_on() else send(request))

        return _send_single_request

    return Patches(
        Patch(_itself(module.Client), "_send_single_request", synchronous),
        Patch(_itself(module.AsyncClient), "_send_single_request", asynchronous),
    )


def _itself(client: Any) -> Any:
    """Return the library's class: old instrumentations by OpenTelemetry (0.46b0) put a subclass in its place.

    ``httpx.get``, and whoever imported the class before, use the class itself.
    """
    return next(base for base in client.__mro__ if "_send_single_request" in vars(base))
