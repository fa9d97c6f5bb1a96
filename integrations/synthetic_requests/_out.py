"""What leaves through a session: each call, and each redirect hop."""

from __future__ import annotations

from functools import wraps
from types import MethodType
from typing import Any

import wrapt
from requests import PreparedRequest, Response, Session

from synthetic.integration import IsOn, Patch
from synthetic_requests._explicit import SyntheticAdapter, sent, sent_through

__all__ = ["Adapters"]


class _Carrying(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A session's own adapter in everything but ``send``."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        proxy: Any = self
        return sent_through(proxy, proxy.__wrapped__, request, args, kwargs)


class Adapters:
    """Covers each class of adapters that a session uses, once it uses one.

    A session asks ``Session.get_adapter`` for an adapter for every call and every redirect hop. OpenTelemetry and
    Sentry wrap what is above it, so the order in which they are switched on does not matter. The application gets its
    own adapter, whose ``send`` is covered. If that is not this class's at the moment, because a test replaces it for
    an adapter or for all, the session gets a proxy for it.
    """

    def __init__(self) -> None:
        self._session = Patch(Session, "get_adapter", self._giving)
        self._sends: dict[type[Any], Patch] = {}

    def put_on(self) -> None:
        """Cover every session."""
        self._session.put_on()

    def take_off(self) -> None:
        """Cover none any more."""
        self._session.take_off()
        while self._sends:
            self._sends.popitem()[1].take_off()

    def _giving(self, original: Any, is_on: IsOn) -> Any:
        @wraps(original)
        def get_adapter(session: Session, url: Any) -> Any:
            adapter = original(session, url)
            if not is_on() or isinstance(adapter, (SyntheticAdapter, _Carrying)) or self._covers(adapter):
                return adapter
            return _Carrying(adapter)

        return get_adapter

    def _covers(self, adapter: Any) -> bool:
        kind = adapter.__class__
        send: Any = getattr(kind, "send", None)
        if getattr(send, "_synthetic", None) is None:
            owner = next((owner for owner in kind.__mro__ if "send" in vars(owner)), None)
            if owner is None or owner in self._sends:
                return False
            patch = self._sends[owner] = Patch(owner, "send", _sending)
            patch.put_on()
        return "send" not in getattr(adapter, "__dict__", ())


def _sending(original: Any, is_on: IsOn) -> Any:
    @wraps(original)
    def send(adapter: Any, request: PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        if not is_on():
            return original(adapter, request, *args, **kwargs)
        return sent(MethodType(original, adapter), request, args, kwargs)

    wrapper: Any = send
    wrapper._synthetic = True
    return wrapper
