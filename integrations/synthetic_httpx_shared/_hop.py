"""One hop: a request that a client or a transport sends, with the marker if the work is simulated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, cast

from opentelemetry.context import Context

from synthetic._egress import depart, in_context
from synthetic._failure import go_on_after
from synthetic.errors import ExternalCallRefused

__all__ = ["Errors", "sent", "sent_async"]

_HEADER = b"baggage"
_LENGTH = len(_HEADER)


class Errors(NamedTuple):
    """``refused`` is raised for a host that does not take part; ``library`` are errors that name their request."""

    refused: type[ExternalCallRefused]
    library: type[Exception]


def sent(send: Callable[[Any], Any], request: Any, errors: Errors) -> Any:
    """Send one request; give its response, or raise its error, as if the request had been sent as it is."""
    departing = request
    try:
        departing, otel = _departing(request, errors.refused)
        if otel is None:
            response = send(departing)
        else:
            with in_context(otel):
                response = send(departing)
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
        departing, otel = _departing(request, errors.refused)
        if otel is None:
            response = await send(departing)
        else:
            with in_context(otel):
                response = await send(departing)
    except errors.library as error:
        cast("Any", error).request = request
        raise
    finally:
        if departing is not request:
            _keep_changes(request, departing)
    if departing is not request:
        response.request = request
    return response


def _departing(request: Any, refused: type[ExternalCallRefused]) -> tuple[Any, Context | None]:
    """Return the request as it leaves, and the OpenTelemetry context to send it in."""
    try:
        lines = [value for name, value in request.headers.raw if len(name) == _LENGTH and name.lower() == _HEADER]
        carried = b",".join(lines).decode("latin-1") if lines else None
        # As the library itself has parsed it: without user information, and in the spelling that is looked up.
        header, otel = depart(f"//{request.url.netloc.decode()}", carried, refused=refused)
    except Exception as error:
        return go_on_after(error, (request, None))
    return (request if header == carried else _with_header(request, header)), otel


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
    """Hand on what was done to the copy, except for its headers: a body that was read cannot be read once more."""
    request.__dict__.update({**departing.__dict__, "headers": request.headers})
