"""What becomes of a task that is refused: a failure, for whoever waits for its result, and nothing is called."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from synthetic._reason import Reason
from synthetic._verdict import enter, leave
from synthetic.errors import MessageRefused

if TYPE_CHECKING:

    class InvalidTaskError(Exception):
        """Celery's, which has no types."""

else:
    from celery.exceptions import InvalidTaskError

__all__ = ["LATER_AFTER", "TaskRefused", "fail"]

_log = logging.getLogger("synthetic")

LATER_AFTER = 5.0
"""Seconds until a task that can't be taken now is looked at again."""


class TaskRefused(MessageRefused, InvalidTaskError):
    """A task was not admitted, and its body has not run.

    Also Celery's own error for a message that is not to be executed: that it rejects, so that the broker's dead-letter
    handling has it. Where the caller waits for the result, this is what it gets.
    """

    def __init__(self, reason: Reason | str) -> None:
        super().__init__(Reason(reason))
        self._text = str(self.args[0])
        # Result backends keep an error as its class and arguments, and make it anew.
        self.args: tuple[Any, ...] = (self.reason.value,)

    def __str__(self) -> str:
        return self._text


def fail(task: Any, context: Any, error: TaskRefused) -> None:
    """Store the failure of the task with this request. None of its callbacks, nor of its chord's, is called.

    They would run as part of work of which nobody knows what it is.
    """
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
