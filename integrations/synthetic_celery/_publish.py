"""What sends the message of a task: below ``apply_async``, canvas, ``send_task``, and what others wrap around those."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from synthetic._egress import in_context
from synthetic._failure import go_on_after
from synthetic._patch import IsOn
from synthetic_celery._headers import departing

__all__ = ["Sender"]


class Sender:
    """In place of ``AMQP.send_task_message``, a property that is computed once for each application.

    Being asked anew for each message, it works for applications that exist already, and stops when it is taken off.
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
        sent, otel = departing(headers)
    except Exception as error:
        sent, otel = go_on_after(error, (headers, None))
    if otel is None:
        return send(producer, name, message, *args, headers=sent, **options)
    with in_context(otel):
        return send(producer, name, message, *args, headers=sent, **options)
