"""Brokers without patches: a middleware that covers the broker that you add it to."""

from __future__ import annotations

import threading
from typing import Any

import dramatiq
from dramatiq.middleware import MiddlewareError

from synthetic.errors import UndeclaredWork, UnverifiedMarker
from synthetic.integration import AdmittedMessage, enter, verdict_on
from synthetic_dramatiq._headers import mark, unmark
from synthetic_dramatiq._refusal import UndeclaredMessage, UnverifiedMessage, refusal_of, refuse

__all__ = ["SyntheticTrafficMiddleware"]


class SyntheticTrafficMiddleware(dramatiq.Middleware):
    """Carries the marker through one broker: ``broker.add_middleware(SyntheticTrafficMiddleware())``.

    The verdict is in force until the message is acknowledged or rejected. Middleware that comes before this one in the
    list sees it only after the actor. If that matters, put this one first: ``before=type(broker.middleware[0])``.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def before_enqueue(self, broker: dramatiq.Broker, message: Any, delay: int | None) -> None:
        """Add the marker of the present work. Raises UnverifiedMarker or UndeclaredWork."""
        try:
            mark(message)
        except UnverifiedMarker as error:
            raise UnverifiedMessage(error.reason) from None
        except UndeclaredWork:
            raise UndeclaredMessage from None
        except Exception as error:  # dramatiq logs an error that is not its own, and sends the message all the same
            raise MiddlewareError(f"{type(error).__name__}: {error}") from error

    def after_enqueue(self, broker: dramatiq.Broker, message: Any, delay: int | None) -> None:
        """Take the marker out again."""
        unmark(message)

    def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
        """Put the verdict on the message in force. Raises MessageSkipped."""
        self._end()
        try:
            admitted = AdmittedMessage(verdict_on(message.options, takes_place=True))
        except Exception as error:
            raise refuse(broker, message, refusal_of(error)) from None
        admitted.__enter__()
        self._local.admitted = admitted

    def after_ack(self, broker: dramatiq.Broker, message: Any) -> None:
        """Restore what was in force before."""
        self._end()

    def after_nack(self, broker: dramatiq.Broker, message: Any) -> None:
        """Restore what was in force before."""
        self._end()

    def after_consumer_thread_boot(self, broker: dramatiq.Broker, thread: Any) -> None:
        """Start the thread with no verdict."""
        enter(None)

    def after_worker_thread_boot(self, broker: dramatiq.Broker, thread: Any) -> None:
        """Start the thread with no verdict."""
        enter(None)

    def _end(self) -> None:
        admitted: AdmittedMessage | None = self._local.__dict__.pop("admitted", None)
        if admitted is not None:
            admitted.__exit__(None, None, None)
