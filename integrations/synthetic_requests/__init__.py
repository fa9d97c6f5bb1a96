"""The marker in calls that are made with requests.

``instrument()`` (or ``synthetic.instrument("requests")``) covers every session; ``SyntheticAdapter`` covers what it is
mounted for. Each redirect hop is decided anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import requests
import wrapt
from opentelemetry.context import Context
from requests.adapters import BaseAdapter, HTTPAdapter

from synthetic._carrier import NAME
from synthetic._egress import depart, in_context
from synthetic._failure import go_on_after
from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic.errors import ExternalCallRefused

__all__ = ["ExternalRequestRefused", "SyntheticAdapter", "instrument", "integration", "uninstrument"]


class ExternalRequestRefused(ExternalCallRefused, requests.exceptions.RequestException):
    """Simulated work called a host that does not take part. Also a ``requests.RequestException``."""

    def __init__(self, message: str, **facts: Any) -> None:
        requests.exceptions.RequestException.__init__(self, message)
        ExternalCallRefused.__init__(self, message, **facts)


class SyntheticAdapter(BaseAdapter):
    """A transport adapter that sends the marker along; mount it where ``instrument()`` is too much.

    ``adapter`` makes the calls; an ``HTTPAdapter`` where it is not given.
    """

    def __init__(self, adapter: BaseAdapter | None = None) -> None:
        super().__init__()
        self.adapter: BaseAdapter = HTTPAdapter() if adapter is None else adapter

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request, with the marker if it is simulated. Raises ExternalRequestRefused."""
        return _sent(self, self.adapter, request, args, kwargs)

    def close(self) -> None:
        """Close the adapter that makes the calls."""
        self.adapter.close()


class _Carrying(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A session's own adapter in everything but ``send``."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        ours: Any = self
        return _sent(ours, ours.__wrapped__, request, args, kwargs)


def _sent(ours: Any, adapter: Any, request: requests.PreparedRequest, args: Any, kwargs: Any) -> requests.Response:
    departing, otel = _departing(request)
    response: Any
    if otel is None:
        response = adapter.send(departing, *args, **kwargs)
    else:
        with in_context(otel):
            response = adapter.send(departing, *args, **kwargs)
    if departing is not request:
        # The caller's request stays as it was: it may be logged, or sent again for other work.
        response.request = request
    # Authentication handlers send once more through the connection of a response: through here again.
    response.connection = ours
    return response  # type: ignore[no-any-return]


def _departing(request: requests.PreparedRequest) -> tuple[requests.PreparedRequest, Context | None]:
    """Return the request as it leaves, and the OpenTelemetry context to send it in."""
    try:
        headers: Any = request.headers
        present: str | bytes | None = headers.get(NAME)
        carried = present.decode("latin-1") if isinstance(present, bytes) else present
        header, otel = depart(request.url or "", carried, refused=ExternalRequestRefused)
    except Exception as error:
        return go_on_after(error, (request, None))
    return (request if header == carried else _with_header(request, header)), otel


def _with_header(request: requests.PreparedRequest, header: str | None) -> requests.PreparedRequest:
    departing = requests.PreparedRequest.__new__(type(request))
    vars(departing).update(vars(request))
    departing.headers = request.headers.copy()
    if header is None:
        departing.headers.pop(NAME, None)
    else:
        departing.headers[NAME] = header
    return departing


def _carrying(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``Session.get_adapter``, which every call and every redirect hop asks for its way out.

    That is below what OpenTelemetry and Sentry wrap, so that the order of switching on does not matter.
    """

    @wraps(original)
    def get_adapter(session: requests.Session, url: Any) -> Any:
        adapter = original(session, url)
        carries = isinstance(adapter, (SyntheticAdapter, _Carrying))
        return adapter if carries or not is_on() else _Carrying(adapter)

    return get_adapter


integration: Integration = Patches(Patch(requests.Session, "get_adapter", _carrying))
"""The entry point ``requests``."""


def instrument() -> None:
    """Send the marker along with every call of every session. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
