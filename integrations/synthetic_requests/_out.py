"""What leaves through a session: each call, and each redirect hop."""

from __future__ import annotations

from functools import wraps
from typing import Any

import wrapt
from requests import PreparedRequest, Response, Session

from synthetic.integration import IsOn
from synthetic_requests._explicit import SyntheticAdapter, sent

__all__ = ["carrying"]


class _Carrying(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A session's own adapter in everything but ``send``."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        proxy: Any = self
        return sent(proxy, proxy.__wrapped__, request, args, kwargs)


def carrying(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Session.get_adapter``, which a session asks for an adapter for every call and every redirect hop.

    OpenTelemetry and Sentry wrap what is above it, so the order in which they are switched on does not matter.
    """

    @wraps(original)
    def get_adapter(session: Session, url: Any) -> Any:
        adapter = original(session, url)
        carries = isinstance(adapter, (SyntheticAdapter, _Carrying))
        return adapter if carries or not is_on() else _Carrying(adapter)

    return get_adapter
