"""Consumers without patches: a wrapper for callbacks, and a ``with`` block for one message."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pika.adapters.blocking_connection import BlockingChannel  # type: ignore[import-untyped]
from pika.channel import Channel  # type: ignore[import-untyped]
from pika.spec import Basic, BasicProperties  # type: ignore[import-untyped]

from synthetic import admitted
from synthetic.errors import MessageRefused
from synthetic.integration import AdmittedMessage, always_on
from synthetic_pika._in import covered
from synthetic_pika._refusal import reject

__all__ = ["admitting", "message"]

AnyChannel = TypeVar("AnyChannel", BlockingChannel, Channel)
Method = TypeVar("Method", Basic.Deliver, Basic.GetOk)
R = TypeVar("R")


def admitting(
    callback: Callable[[AnyChannel, Method, BasicProperties, bytes], R], *, auto_ack: bool = False
) -> Callable[[AnyChannel, Method, BasicProperties, bytes], R | None]:
    """Return ``callback`` for ``basic_consume``: it is called under the verdict on each message, real or simulated.

    It is not called for a refused message, which is rejected to the dead-letter exchange of its queue. Pass
    ``auto_ack=True`` if you pass it to ``basic_consume``: then the message is already acknowledged, and is dropped.
    """
    return covered(callback, auto_ack, always_on)


def message(
    channel: BlockingChannel | Channel,
    method: Basic.Deliver | Basic.GetOk,
    properties: BasicProperties,
    *,
    auto_ack: bool = False,
) -> AdmittedMessage:
    """Admit a message from ``consume`` or ``basic_get`` for a ``with`` block, which gives its marker or None.

    Raises MessageRefused, after it has rejected the message. With ``auto_ack=True`` the message is already
    acknowledged, and is not rejected.
    """
    try:
        return admitted(properties.headers)
    except MessageRefused as error:
        if not auto_ack:
            reject(channel, method.delivery_tag, error)
        raise
