"""A transport adapter that sends the marker along, for use without patches."""

from __future__ import annotations

from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter, HTTPAdapter

from synthetic.integration import forget_injected
from synthetic_requests._headers import departing

__all__ = ["SyntheticAdapter", "sent", "sent_through"]


class SyntheticAdapter(BaseAdapter):
    """A transport adapter that sends the marker along. Mount it to cover some URLs of one session, without patches.

    ``adapter`` makes the calls; without it, an ``HTTPAdapter`` does.
    """

    def __init__(self, adapter: BaseAdapter | None = None) -> None:
        super().__init__()
        self.adapter: BaseAdapter = HTTPAdapter() if adapter is None else adapter

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send one request, with the marker if it is simulated. Raises ExternalRequestRefused."""
        return sent_through(self, self.adapter, request, args, kwargs)

    def close(self) -> None:
        """Close the adapter that makes the calls."""
        self.adapter.close()


def sent(send: Any, request: PreparedRequest, args: Any, kwargs: Any) -> Response:
    """Call ``send``, an adapter's own. The caller gets its request back as it was, and as what was sent."""
    headers = request.headers
    try:
        leaving, within = departing(request)
        response: Any = within(send, leaving, *args, **kwargs)
    finally:
        forget_injected(headers)
    if leaving is not request:
        response.request = request
    return response  # type: ignore[no-any-return]


def sent_through(outer: Any, adapter: Any, request: PreparedRequest, args: Any, kwargs: Any) -> Response:
    """Send one request through ``adapter``, so that what its response causes is sent through ``outer``."""
    response: Any = sent(adapter.send, request, args, kwargs)
    # Authentication handlers send once more through the connection of a response.
    response.connection = outer
    return response  # type: ignore[no-any-return]
