"""Adds the ``baggage`` header to messages that are published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps

from tiny_broker import Broker

from synthetic.integration import IsOn, directly, go_on_after, outgoing


def publishing(original: Callable[..., None], is_on: IsOn) -> Callable[..., None]:
    """Wrap ``Broker.publish``."""

    @wraps(original)
    def publish(broker: Broker, topic: str, body: str, headers: Mapping[str, str] | None = None) -> None:
        if not is_on():
            return original(broker, topic, body, headers)
        within = directly
        try:
            headers, within = outgoing(headers)
        except Exception as error:
            headers = go_on_after(error, headers)
        return within(original, broker, topic, body, headers)

    return publish
