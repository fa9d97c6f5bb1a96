"""Adds the ``baggage`` header to the message of a task, which ``apply_async``, a canvas or ``send_task`` has made."""

from __future__ import annotations

from typing import Any, cast

import wrapt

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
        return _Sending(send) if self._is_on() else send

    def __set__(self, amqp: Any, value: Any) -> None:
        self.__wrapped__.__set__(amqp, value)

    def __delete__(self, amqp: Any) -> None:
        self.__wrapped__.__delete__(amqp)


class _Sending(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """The application's own function in everything but the call."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        headers: Any = options.get("headers")
        try:
            sent, within = departing(headers)
        except Exception as error:
            sent, within = go_on_after(error, (headers, directly))
        if sent is not headers:
            options["headers"] = sent
        return within(cast("Any", self).__wrapped__, *args, **options)
