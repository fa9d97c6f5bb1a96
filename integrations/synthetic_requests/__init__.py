"""The marker in calls that are made with requests.

``instrument()`` (or ``synthetic.instrument("requests")``) covers every session; ``SyntheticAdapter`` covers what it is
mounted for. Each redirect hop is decided anew.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from synthetic._egress import depart
from synthetic.errors import ExternalCallRefused

__all__ = ["ExternalRequestRefused", "SyntheticAdapter", "instrument", "integration", "uninstrument"]

_HEADER = "baggage"


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
        self.adapter = HTTPAdapter() if adapter is None else adapter

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request, with the marker if it is simulated. Raises ExternalRequestRefused."""
        response = _sent(request, self.adapter.send, (request, *args), kwargs)
        # Authentication handlers send once more through the connection of a response: through here again.
        cast("Any", response).connection = self
        return response

    def close(self) -> None:
        """Close the adapter that makes the calls."""
        self.adapter.close()


_departing: ContextVar[requests.PreparedRequest | None] = ContextVar("synthetic-requests-departing", default=None)
"""The request that is on its way already: an adapter that is mounted below ``instrument()`` decides nothing."""


def _sent(
    request: requests.PreparedRequest, send: Callable[..., requests.Response], args: Any, kwargs: Any
) -> requests.Response:
    if _departing.get() is request:
        return send(*args, **kwargs)
    before: str | bytes | None = cast("Any", request.headers).get(_HEADER)
    carried = before.decode("latin-1") if isinstance(before, bytes) else before
    departure = depart(urlsplit(request.url or "").hostname or "", carried, refused=ExternalRequestRefused)
    if departure.header == carried and departure.otel is None:
        return send(*args, **kwargs)
    departing = _departing.set(request)
    _write(request, departure.header)
    try:
        with departure.in_context():
            return send(*args, **kwargs)
    finally:
        # A prepared request may be sent again, for other work.
        _write(request, before)
        _departing.reset(departing)


def _write(request: requests.PreparedRequest, header: str | bytes | None) -> None:
    if header is None:
        request.headers.pop(_HEADER, None)
    else:
        cast("Any", request.headers)[_HEADER] = header


class _Integration:
    """Wraps ``Session.send``, through which every call and every redirect hop goes, whatever its adapter."""

    def __init__(self) -> None:
        self._is_on = False
        self._ours: Any = None
        self._original: Any = None

    def instrument(self) -> None:
        if not self._is_in_place():
            self._original = requests.Session.send
            self._ours = self._wrapped(self._original)
            cast("Any", requests.Session).send = self._ours
        self._is_on = True

    def uninstrument(self) -> None:
        self._is_on = False
        if self._ours is not None and vars(requests.Session)["send"] is self._ours:
            cast("Any", requests.Session).send = self._original
            self._ours = None

    def _is_in_place(self) -> bool:
        """Whether ours is among the wrappers of ``Session.send``: others put theirs on and take them off."""
        present: Any = requests.Session.send
        while present is not None and present is not self._ours:
            present = getattr(present, "__wrapped__", None)
        return present is not None

    def _wrapped(self, original: Any) -> Any:
        # A plain function, and without the attributes of what it wraps: OpenTelemetry finds its own wrapper by one.
        @wraps(original, updated=())
        def send(session: requests.Session, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
            if not self._is_on:
                return cast("requests.Response", original(session, request, **kwargs))
            return _sent(request, original, (session, request), kwargs)

        return send


integration = _Integration()
"""The entry point ``requests``."""


def instrument() -> None:
    """Send the marker along with every call of every session. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Where another library has wrapped ``Session.send`` since, ours stays and does nothing."""
    integration.uninstrument()
