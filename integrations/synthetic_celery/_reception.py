"""Tasks at the door of a worker, in its main process: before they are acknowledged, and before a pool gets them.

A task that is refused here is rejected, whether its task acknowledges early or late.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from celery.utils.log import get_logger  # type: ignore[import-untyped]
from celery.worker.request import Request  # type: ignore[import-untyped]
from celery.worker.strategy import hybrid_to_proto2, proto1_to_proto2  # type: ignore[import-untyped]

from synthetic._arrival import Admitted, arrive
from synthetic._patch import IsOn
from synthetic.errors import MessageRefused
from synthetic_celery import _failure
from synthetic_celery._failure import TaskRefused, fail
from synthetic_celery._headers import markers_received

__all__ = ["of_its_task", "receiving"]

_log: Any = get_logger("celery.worker.consumer")


def receiving(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Task.start_strategy``, which gives a worker its handler for the messages of one task."""

    @wraps(original)
    def start_strategy(task: Any, app: Any, consumer: Any, **options: Any) -> Any:
        handle: Callable[..., Any] = original(task, app, consumer, **options)

        @wraps(handle)
        def receive(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
            if is_on():
                try:
                    message.synthetic_verdict = arrive(markers_received(message))
                except MessageRefused as error:
                    if error.is_later:
                        return _hold(consumer, message)
                    raise _refused(app, task, message, body, error) from None
            return handle(message, body, ack, reject, callbacks)

        return receive

    return start_strategy


def _refused(app: Any, task: Any, message: Any, body: Any, error: MessageRefused) -> TaskRefused:
    """Store the failure; return what the worker rejects the message for."""
    refused = TaskRefused(error.reason)
    try:
        context = _request(app, task, message, body)._context
    except Exception as undecodable:
        _log.error("the failure of a refused task was not stored: its message can't be read: %r", undecodable)
    else:
        fail(task, context, refused)
    return refused


def _request(app: Any, task: Any, message: Any, body: Any) -> Any:
    """The request that the worker would have made of the message."""
    if body is None and "args" not in message.payload:
        return Request(message, app=app, task=task)
    convert = cast("Callable[..., Any]", hybrid_to_proto2 if "args" in message.payload else proto1_to_proto2)
    content, headers, decoded, utc = convert(message, message.payload if body is None else body)
    return Request(message, app=app, task=task, body=content, headers=headers, decoded=decoded, utc=utc)


def _hold(consumer: Any, message: Any) -> None:
    """Give the message back to the broker after a while; meanwhile another is fetched in its place.

    Given back at once, it would be back at once. It is how a worker holds a task that has an ETA.
    """
    consumer.qos.increment_eventually()
    consumer.timer.call_after(_failure.LATER_AFTER, _give_back, (consumer, message))


def _give_back(consumer: Any, message: Any) -> None:
    if consumer.hub:
        message.reject_log_error(_log, consumer.connection_errors, requeue=True)
    else:  # this is the timer's thread, and the channel belongs to another
        consumer.call_soon(message.reject_log_error, _log, consumer.connection_errors, requeue=True)
    consumer.qos.decrement_eventually()


def of_its_task(original: Any, is_on: IsOn) -> Any:
    """Wrap a method of a worker's ``Request`` which says that its task failed, timed out or was revoked.

    It runs in the main process, and what it calls and sends (error callbacks, signals) belongs to the task.
    """

    @wraps(original)
    def method(request: Any, *args: Any, **kwargs: Any) -> Any:
        verdict = getattr(request.message, "synthetic_verdict", None)
        if verdict is None or not is_on():
            return original(request, *args, **kwargs)
        with Admitted(verdict):
            return original(request, *args, **kwargs)

    return method
