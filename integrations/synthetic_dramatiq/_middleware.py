"""The way without patches: middleware, for the broker that it is added to."""

from __future__ import annotations

import threading
from typing import Any

import dramatiq
from dramatiq.middleware import MiddlewareError

from synthetic._arrival import Admitted, arrive_with
from synthetic._verdict import enter
from synthetic.errors import UnverifiedMarker
from synthetic_dramatiq._options import mark, unmark
from synthetic_dramatiq._refusal import UnverifiedMessage, refusal_of, refuse

__all__ = ["SyntheticTrafficMiddleware"]


class SyntheticTrafficMiddleware(dramatiq.Middleware):
    """Carries the marker through one broker: ``broker.add_middleware(SyntheticTrafficMiddleware())``.

    The verdict is in force from here until the message is acknowledged or rejected; for middleware before it in the
    list, only after the actor. Put it first where that matters: ``before=type(broker.middleware[0])``.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def before_enqueue(self, broker: dramatiq.Broker, message: Any, delay: int | None) -> None:
        """Write the marker of the work at hand. Raises UnverifiedMarker."""
        try:
            mark(message.options)
        except UnverifiedMarker as error:
            raise UnverifiedMessage(error.reason) from None
        except Exception as error:  # any other than its own dramatiq logs, and sends the message nevertheless
            raise MiddlewareError(f"{type(error).__name__}: {error}") from error

    def after_enqueue(self, broker: dramatiq.Broker, message: Any, delay: int | None) -> None:
        """Take it out again."""
        unmark(message.options)

    def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
        """Put the verdict on the message in force. Raises MessageSkipped."""
        self._end()
        try:
            admitted = Admitted(arrive_with(message.options))
        except Exception as error:
            raise refuse(broker, message, refusal_of(error)) from None
        admitted.__enter__()
        self._local.admitted = admitted

    def after_ack(self, broker: dramatiq.Broker, message: Any) -> None:
        """Put back what was in force before."""
        self._end()

    def after_nack(self, broker: dramatiq.Broker, message: Any) -> None:
        """Put back what was in force before."""
        self._end()

    def after_consumer_thread_boot(self, broker: dramatiq.Broker, thread: Any) -> None:
        """Have the thread start with nothing decided."""
        enter(None)

    def after_worker_thread_boot(self, broker: dramatiq.Broker, thread: Any) -> None:
        """Have the thread start with nothing decided."""
        enter(None)

    def _end(self) -> None:
        admitted: Admitted | None = self._local.__dict__.pop("admitted", None)
        if admitted is not None:
            admitted.__exit__(None, None, None)
