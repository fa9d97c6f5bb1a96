"""The fields on a record: put there when it is made, by the thread or task that logs."""

from __future__ import annotations

import logging
from functools import wraps
from typing import Any

from opentelemetry.context import get_current

from synthetic.integration import REAL, VERDICT, IsOn
from synthetic_logging._fields import fields, names

__all__ = ["SyntheticFilter", "marking"]

_get_verdict = VERDICT.get


class SyntheticFilter(logging.Filter):
    """A filter that lets every record pass, and gives it the fields that it does not have yet.

    Use it to cover one logger or handler, without patches. The logging thread itself must call the handler: add the
    filter to a ``QueueHandler``, and not to the handlers of its listener. With a ``name``, only records of that logger
    and those below it pass, as with any filter.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Give ``record`` the fields."""
        _mark(record)
        return bool(super().filter(record))


def marking(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Logger.makeRecord``, which puts a caller's ``extra`` on the record: ``extra`` takes precedence."""

    # Every line that is logged comes through here. All parameters have names: packing them would double the time.
    @wraps(original)
    def makeRecord(
        logger: Any,
        name: str,
        level: int,
        fn: str,
        lno: int,
        msg: object,
        args: Any,
        exc_info: Any,
        func: str | None = None,
        extra: Any = None,
        sinfo: str | None = None,
    ) -> Any:
        record = original(logger, name, level, fn, lno, msg, args, exc_info, func, extra, sinfo)
        if is_on():
            verdict = _get_verdict()
            if extra is None and (verdict is REAL or (verdict is None and not get_current())):
                record.synthetic = False
                record.synthetic_run = record.synthetic_kind = record.synthetic_actor = record.synthetic_scenario = ""
            else:
                _mark(record)
        return record

    return makeRecord


def _mark(record: logging.LogRecord) -> None:
    own = vars(record)
    found = fields()
    for name in names:
        if name not in own:
            own[name] = found.get(name, _ABSENT[name])


_ABSENT: dict[str, str | bool] = dict.fromkeys(names, "") | {"synthetic": False}
"""The fields of real work: a format that names them works for its records, too."""
