"""The headers of a prepared request, as they leave."""

from __future__ import annotations

from typing import Any

from requests import PreparedRequest

from synthetic.integration import BAGGAGE, Within, depart, directly, go_on_after
from synthetic_requests._refusal import ExternalRequestRefused

__all__ = ["departing"]


def departing(request: PreparedRequest) -> tuple[PreparedRequest, Within]:
    """Return the request as it leaves, and how to send it."""
    try:
        headers: Any = request.headers
        present: str | bytes | None = headers.get(BAGGAGE)
        carried = present.decode("latin-1") if isinstance(present, bytes) else present
        header, within = depart(request.url or "", carried, refused=ExternalRequestRefused)
    except Exception as error:
        return go_on_after(error, (request, directly))
    return (request if header == carried else _with_header(request, header)), within


def _with_header(request: PreparedRequest, header: str | None) -> PreparedRequest:
    """Return a copy. The caller's request stays as it was: it may be logged, or sent again for other work."""
    copy = PreparedRequest.__new__(type(request))
    vars(copy).update(vars(request))
    copy.headers = request.headers.copy()
    if header is None:
        copy.headers.pop(BAGGAGE, None)
    else:
        copy.headers[BAGGAGE] = header
    return copy
