"""Runs each callback under the verdict on its message. For a refused message, the callback is not called."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from tiny_broker import Broker, Message, TryAgain

from synthetic.errors import MessageRefused
from synthetic.integration import IsOn, under, verdict_on, without_verdict

PAUSE = 1.0
"""Seconds after which the broker delivers a message again that may be admitted later."""


def subscribing(original: Callable[..., None], is_on: IsOn) -> Callable[..., None]:
    """Wrap ``Broker.subscribe``."""

    @wraps(original)
    def subscribe(broker: Broker, topic: str, callback: Callable[[Message], None]) -> None:
        if is_on():
            callback = admitting(callback, is_on)
        original(broker, topic, callback)

    return subscribe


def admitting(callback: Callable[[Message], None], is_on: IsOn) -> Callable[[Message], None]:
    """Return a callback that calls ``callback`` under the verdict on each message."""

    @wraps(callback)
    def on_message(message: Message) -> None:
        if not is_on():
            return callback(message)
        try:
            verdict = verdict_on(message.headers)
        except MessageRefused as error:
            if error.is_later:
                raise TryAgain(PAUSE) from error
            raise
        return under(verdict, callback, message)

    return on_message


def starting(original: Callable[..., None], is_on: IsOn) -> Callable[..., None]:
    """Wrap ``Broker.start``."""

    @wraps(original)
    def start(broker: Broker) -> None:
        if is_on():
            without_verdict(original, broker)
        else:
            original(broker)

    return start
