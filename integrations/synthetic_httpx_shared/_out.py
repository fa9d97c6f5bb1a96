"""What leaves through a client or a transport: one hop at a time, with the marker if the work is simulated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, NamedTuple, cast

from synthetic.errors import ExternalCallRefused
from synthetic.integration import IsOn, Patch, Patches, Within, depart, directly, go_on_after

__all__ = ["Errors", "patches", "sent", "sent_async"]

_HEADER = b"baggage"
_LENGTH = len(_HEADER)


class Errors(NamedTuple):
    """``refused`` is raised for a host that does not take part; ``library`` are errors that name their request."""

    refused: type[ExternalCallRefused]
    library: type[Exception]


def patches(module: Any, errors: Errors) -> Patches:
    """Return the patches for every client of ``module``, httpx or httpx2.

    Each hop of every call passes through ``_send_single_request``: redirects and the requests of an authentication,
    with whatever transport is mounted for the URL. OpenTelemetry wraps ``HTTPTransport`` or a client's own transports
    below it, and writes what the context says; so the call is made in the right context. Both could not wrap the same
    attribute: OpenTelemetry's way of unwrapping would not find its own wrapper below this one.
    """

    def synchronous(original: Any, is_on: IsOn) -> Any:
        @wraps(original)
        def _send_single_request(client: Any, request: Any) -> Any:
            send = original.__get__(client, client.__class__)
            return sent(send, request, errors) if is_on() else send(request)

        return _send_single_request

    def asynchronous(original: Any, is_on: IsOn) -> Any:
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

    ``httpx.get``, and modules that imported the class before, use the class itself.
    """
    return next(base for base in client.__mro__ if "_send_single_request" in vars(base))


def sent(send: Callable[[Any], Any], request: Any, errors: Errors) -> Any:
    """Send one request; give its response, or raise its error, as if the request had been sent as it is."""
    departing = request
    try:
        departing, within = _departing(request, errors.refused)
        response = within(send, departing)
    except errors.library as error:
        cast("Any", error).request = request
        raise
    finally:
        if departing is not request:
            _keep_changes(request, departing)
    if departing is not request:
        response.request = request
    return response


async def sent_async(send: Callable[[Any], Awaitable[Any]], request: Any, errors: Errors) -> Any:
    """Do the same for an asynchronous client or transport."""
    departing = request
    try:
        departing, within = _departing(request, errors.refused)
        response = await within(send, departing)
    except errors.library as error:
        cast("Any", error).request = request
        raise
    finally:
        if departing is not request:
            _keep_changes(request, departing)
    if departing is not request:
        response.request = request
    return response


def _departing(request: Any, refused: type[ExternalCallRefused]) -> tuple[Any, Within]:
    """Return the request as it leaves, and how to send it."""
    try:
        lines = [value for name, value in request.headers.raw if len(name) == _LENGTH and name.lower() == _HEADER]
        carried = b",".join(lines).decode("latin-1") if lines else None
        # As the library itself has parsed it: without user information, and in the spelling that is looked up.
        header, within = depart(f"//{request.url.netloc.decode()}", carried, refused=refused)
    except Exception as error:
        return go_on_after(error, (request, directly))
    return (request if header == carried else _with_header(request, header)), within


def _with_header(request: Any, header: str | None) -> Any:
    """Return a copy. The caller's request stays as it was: it may be sent again, for other work, even at once."""
    departing = request.__class__.__new__(request.__class__)
    departing.__dict__.update(request.__dict__)
    present = request.headers
    lines = [(name, value) for name, value in present.raw if name.lower() != _HEADER]
    if header is not None:
        lines.append((_HEADER, header.encode("latin-1")))
    departing.headers = present.__class__(lines, encoding=present.encoding)
    return departing


def _keep_changes(request: Any, departing: Any) -> None:
    """Give ``request`` what was done to the copy, except for its headers: a body cannot be read a second time."""
    request.__dict__.update({**departing.__dict__, "headers": request.headers})
