"""Adds the ``baggage`` header to the message of a task, which ``apply_async``, a canvas or ``send_task`` has made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from synthetic.integration import IsOn, directly, go_on_after
from synthetic_celery._headers import departing

__all__ = ["Sender"]


class Sender:
    """Replaces ``AMQP.send_task_message``, a property that Celery computes once for each application.

    This one is computed for each message, so that it covers applications that exist already, and can be undone.
    """

    def __init__(self, original: Any, is_on: IsOn) -> None:
        self.__wrapped__ = original
        self._is_on = is_on

    def __set_name__(self, owner: Any, name: str) -> None:
        """Do nothing: the original knows its name."""

    def __get__(self, amqp: Any, owner: Any = None) -> Any:
        if amqp is None:
            return self
        send = self.__wrapped__.__get__(amqp, owner)
        return partial(_send, send) if self._is_on() else send

    def __set__(self, amqp: Any, value: Any) -> None:
        self.__wrapped__.__set__(amqp, value)

    def __delete__(self, amqp: Any) -> None:
        self.__wrapped__.__delete__(amqp)


def _send(
    send: Callable[..., Any], producer: Any, name: str, message: Any, *args: Any, headers: Any = None, **options: Any
) -> Any:
    try:
        sent, within = departing(headers)
    except Exception as error:
        sent, within = go_on_after(error, (headers, directly))
    return within(send, producer, name, message, *args, headers=sent, **options)
