"""A transport adapter that sends the marker along, for use without patches."""

from __future__ import annotations

from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter, HTTPAdapter

from synthetic.integration import forget_injected
from synthetic_requests._headers import departing

__all__ = ["SyntheticAdapter", "sent"]


class SyntheticAdapter(BaseAdapter):
    """A transport adapter that sends the marker along. Mount it to cover some URLs of one session, without patches.

    ``adapter`` makes the calls; without it, an ``HTTPAdapter`` does.
    """

    def __init__(self, adapter: BaseAdapter | None = None) -> None:
        super().__init__()
        self.adapter: BaseAdapter = HTTPAdapter() if adapter is None else adapter

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send one request, with the marker if it is simulated. Raises ExternalRequestRefused."""
        return sent(self, self.adapter, request, args, kwargs)

    def close(self) -> None:
        """Close the adapter that makes the calls."""
        self.adapter.close()


def sent(outer: Any, adapter: Any, request: PreparedRequest, args: Any, kwargs: Any) -> Response:
    """Send one request through ``adapter``; to the caller it was sent as it is, through ``outer``."""
    headers = request.headers
    try:
        leaving, within = departing(request)
        response: Any = within(adapter.send, leaving, *args, **kwargs)
    finally:
        forget_injected(headers)
    if leaving is not request:
        response.request = request
    # Authentication handlers send once more through the connection of a response: through here again.
    response.connection = outer
    return response  # type: ignore[no-any-return]
