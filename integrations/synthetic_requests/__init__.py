"""The marker in calls that are made with requests.

``instrument()`` (or ``synthetic.instrument("requests")``) covers every session; ``SyntheticAdapter`` covers what it is
mounted for. Each redirect hop is decided anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

import requests
import wrapt
from requests.adapters import BaseAdapter, HTTPAdapter

from synthetic._egress import Departure, depart
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
        return _sent(request, self.adapter.send, (request, *args), kwargs)

    def close(self) -> None:
        """Close the adapter that makes the calls."""
        self.adapter.close()


def _sent(
    request: requests.PreparedRequest, send: Callable[..., requests.Response], args: Any, kwargs: Any
) -> requests.Response:
    departure = _departure(request)
    if departure.otel is None:
        return send(*args, **kwargs)
    with departure.in_context():
        return send(*args, **kwargs)


def _departure(request: requests.PreparedRequest) -> Departure:
    headers = request.headers
    present: str | bytes | None = cast("Any", headers).get(_HEADER)
    carried = present.decode("latin-1") if isinstance(present, bytes) else present
    departure = depart(urlsplit(request.url or "").hostname or "", carried, refused=ExternalRequestRefused)
    if departure.header is None:
        headers.pop(_HEADER, None)
    elif departure.header != carried:
        headers[_HEADER] = departure.header
    return departure


class _Integration:
    """Wraps ``Session.send``, through which every call and every redirect hop goes, whatever its adapter."""

    def __init__(self) -> None:
        self._is_on = False
        self._is_wrapped = False

    def instrument(self) -> None:
        if not self._is_wrapped:
            wrapt.wrap_function_wrapper(requests.Session, "send", self._send)
            self._is_wrapped = True
        self._is_on = True

    def uninstrument(self) -> None:
        self._is_on = False
        present = vars(requests.Session).get("send")
        if getattr(present, "_self_wrapper", None) == self._send:
            requests.Session.send = present.__wrapped__  # type: ignore[method-assign, union-attr]
            self._is_wrapped = False

    def _send(self, send: Callable[..., Any], _session: requests.Session, args: Any, kwargs: Any) -> Any:
        if not self._is_on:
            return send(*args, **kwargs)
        return _sent(args[0] if args else kwargs["request"], send, args, kwargs)


integration = _Integration()
"""The entry point ``requests``."""


def instrument() -> None:
    """Send the marker along with every call of every session. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Where another library has wrapped ``Session.send`` since, ours stays and does nothing."""
    integration.uninstrument()
