"""Whether the service takes simulated work now: it is ready, and it does not shed load."""

from __future__ import annotations

import logging
from collections.abc import Callable

from synthetic._config.configuration import Configuration
from synthetic._model.reason import Reason
from synthetic._model.throttled import ThrottledLog

__all__ = ["not_now"]

_failures = ThrottledLog()


def not_now(config: Configuration) -> Reason | None:
    """Return why simulated work must come again later; None if the service takes it now."""
    if config.ready is not None and not _asked(config.ready, default=False):
        return Reason.NOT_READY
    if callable(config.shed) and _asked(config.shed, default=True):
        return Reason.SHED
    return None


def _asked(question: Callable[[], bool], *, default: bool) -> bool:
    try:
        return bool(question())
    except Exception as error:  # the application's own function: its errors must not reach the request
        _failures.log(
            logging.ERROR,
            repr(question),
            f"{question!r} failed, so simulated work is refused until it works again: {error!r}",
        )
        return default
