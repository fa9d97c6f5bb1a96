"""Fails a refused task, and looks again after a while at one that may be admitted later.

The caller that waits for the result gets ``TaskRefused``. No callback is called, because it would belong to work that
is known neither as real nor as simulated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from billiard.einfo import ExceptionInfo  # type: ignore[import-untyped]
from celery.app.trace import TraceInfo, trace_ok_t  # type: ignore[import-untyped]
from celery.exceptions import Ignore, Reject  # type: ignore[import-untyped]
from celery.states import IGNORED, REJECTED  # type: ignore[import-untyped]
from celery.utils.log import get_logger  # type: ignore[import-untyped]
from celery.worker.request import Request  # type: ignore[import-untyped]
from celery.worker.strategy import hybrid_to_proto2, proto1_to_proto2  # type: ignore[import-untyped]

from synthetic.errors import MessageRefused
from synthetic.integration import Reason, enter, leave

if TYPE_CHECKING:

    class InvalidTaskError(Exception):
        """Celery's, which has no types."""

else:
    from celery.exceptions import InvalidTaskError

__all__ = ["LATER_AFTER", "TaskRefused", "fail", "hold", "not_run", "refused_in"]

_log = logging.getLogger("synthetic")
_consumer_log: Any = get_logger("celery.worker.consumer")

LATER_AFTER = 5.0
"""Seconds after which a worker looks again at a task that may be admitted later."""


class TaskRefused(MessageRefused, InvalidTaskError):
    """A task was not admitted, and its body has not run.

    It is also Celery's error for a message that must not be executed. Celery rejects such a message, so that the
    broker's dead-letter handling gets it. A caller that waits for the result gets this error.
    """

    __module__ = "synthetic_celery"  # result backends store the path of an error: it must not move

    def __init__(self, reason: Reason | str) -> None:
        super().__init__(Reason(reason))
        self._text = str(self.args[0])
        # Result backends store the class and the arguments of an error, and make it anew from those.
        self.args: tuple[Any, ...] = (self.reason.value,)

    def __str__(self) -> str:
        return self._text


def refused_in(app: Any, task: Any, message: Any, body: Any, error: MessageRefused) -> TaskRefused:
    """Store the failure of a task that the main process refuses. Return the error to reject its message with."""
    refused = TaskRefused(error.reason)
    try:
        context = _request(app, task, message, body)._context
    except Exception as undecodable:
        _consumer_log.error("the failure of a refused task was not stored: its message can't be read: %r", undecodable)
    else:
        fail(task, context, refused)
    return refused


def _request(app: Any, task: Any, message: Any, body: Any) -> Any:
    """Return the request that the worker would have made of the message."""
    if body is None and "args" not in message.payload:
        return Request(message, app=app, task=task)
    convert = cast("Callable[..., Any]", hybrid_to_proto2 if "args" in message.payload else proto1_to_proto2)
    content, headers, decoded, utc = convert(message, message.payload if body is None else body)
    return Request(message, app=app, task=task, body=content, headers=headers, decoded=decoded, utc=utc)


def hold(consumer: Any, message: Any) -> None:
    """Give a message back to the broker after a while, and fetch another in its place meanwhile.

    The broker would deliver it again at once. A worker holds a task with an ETA in the same way.
    """
    consumer.qos.increment_eventually()
    consumer.timer.call_after(LATER_AFTER, _give_back, (consumer, message))


def _give_back(consumer: Any, message: Any) -> None:
    if consumer.hub:
        message.reject_log_error(_consumer_log, consumer.connection_errors, requeue=True)
    else:  # this is the timer's thread, and the channel belongs to another
        consumer.call_soon(message.reject_log_error, _consumer_log, consumer.connection_errors, requeue=True)
    consumer.qos.decrement_eventually()


def not_run(task: Any, context: Any, error: MessageRefused) -> Any:
    """Return the outcome of a task that was received, and that the pool refuses."""
    try:
        if error.is_later:
            _send_again(task, context)
            raise Ignore(str(error))
        refused = TaskRefused(error.reason)
        fail(task, context, refused)
        raise Reject(refused, requeue=False)
    except (Ignore, Reject) as outcome:
        state = REJECTED if isinstance(outcome, Reject) else IGNORED
        return trace_ok_t(ExceptionInfo(internal=True), TraceInfo(state, outcome), 0.0, None)


def _send_again(task: Any, context: Any) -> None:
    """Send the same task again, to run after a while: its message may be acknowledged already."""
    entered = enter(None)
    try:
        task.signature_from_request(
            context, context.args, context.kwargs, countdown=LATER_AFTER, retries=context.retries
        ).apply_async()
    except Exception as error:
        raise Reject(error, requeue=True) from error
    finally:
        leave(entered)


def fail(task: Any, context: Any, error: TaskRefused) -> None:
    """Store the failure of the task with this request. None of its callbacks, nor of its chord's, is called."""
    try:
        entered = enter(None)
        try:
            context.errbacks = None
            context.chord = context.chord and _without_errbacks(context.chord)
            context.chain = context.chain and [_quiet(link) for link in context.chain]
            ignored: Any = context.__dict__.get("ignore_result")
            is_stored = task.store_errors_even_if_ignored or not (task.ignore_result if ignored is None else ignored)
            task.backend.mark_as_failure(context.id, error, request=context, store_result=is_stored)
        finally:
            leave(entered)
    except Exception:
        # The message is rejected all the same.
        _log.exception("the failure of task %s, which was refused (%s), was not stored", context.id, error.reason)


def _quiet(link: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = dict(link.get("options") or {})
    if options.get("chord"):
        options["chord"] = _without_errbacks(options["chord"])
    return {**link, "options": options}


def _without_errbacks(signature: Mapping[str, Any]) -> dict[str, Any]:
    return {**signature, "options": {**(signature.get("options") or {}), "link_error": []}}
