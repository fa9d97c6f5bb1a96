"""Consumers without patches: a wrapper for callbacks, and an ``async with`` block for one message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType

from nats.aio.msg import Msg

from synthetic import Marker, admitted
from synthetic.errors import MessageRefused
from synthetic.integration import AdmittedMessage, always_on
from synthetic_nats._in import covered
from synthetic_nats._refusal import reject

__all__ = ["admitting", "message"]


def admitting(callback: Callable[[Msg], Awaitable[None]]) -> Callable[[Msg], Awaitable[None]]:
    """Return ``callback`` for ``subscribe``: it is called under the verdict on each message, real or simulated.

    It is not called for a refused message. JetStream is told not to send that message again, and the ``error_cb`` of
    the connection gets MessageRefused.
    """
    return covered(callback, always_on)


class message:
    """Admit a message from ``sub.messages``, ``next_msg`` or ``fetch``, for an ``async with`` block.

    The block gives the marker, or None for a real message. It raises MessageRefused on entering, after it has told
    JetStream not to send the message again, or to send it again later.
    """

    def __init__(self, message: Msg) -> None:
        self._message = message
        self._scope: AdmittedMessage | None = None

    async def __aenter__(self) -> Marker | None:
        try:
            self._scope = admitted(self._message.headers)
        except MessageRefused as error:
            await reject(self._message, error)
            raise
        return self._scope.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scope is not None:
            self._scope.__exit__(kind, error, trace)
