"""Tells the sender of a refused message.

JetStream gives up a refused message, and sends one that may be admitted later again after a pause. An endpoint of a
service answers with an error, as services do. In all cases the ``error_cb`` of the connection gets MessageRefused.
"""

from __future__ import annotations

from typing import Final

from nats.aio.msg import Msg

from synthetic.errors import MessageRefused

__all__ = ["PAUSE", "answer", "is_from_stream", "reject"]

PAUSE: Final = 1.0
"""Seconds after which JetStream sends a message again that may be admitted later."""

_ACKNOWLEDGED: Final = "$JS.ACK."
_STATUS: Final = {True: "429", False: "403"}


def is_from_stream(msg: Msg) -> bool:
    """Whether JetStream waits for an acknowledgement, and sends the message again without one."""
    return msg.reply.startswith(_ACKNOWLEDGED)


async def reject(msg: Msg, error: MessageRefused) -> None:
    """Tell JetStream not to send a refused message again, or to send it again after the pause."""
    if not is_from_stream(msg):
        return  # core NATS sends nothing again, and a caller could take an empty answer for a good one
    if error.is_later:
        await msg.nak(delay=PAUSE)
    else:
        await msg.term()


async def answer(msg: Msg, error: MessageRefused) -> None:
    """Answer a refused request to an endpoint of a service."""
    if msg.reply:
        from nats.micro.request import Request  # which not every supported version has

        await Request(msg).respond_error(_STATUS[error.is_later], error.reason.value)
