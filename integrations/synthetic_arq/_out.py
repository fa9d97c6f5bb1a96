"""Adds the marker to jobs that are enqueued."""

from __future__ import annotations

from functools import wraps
from typing import Any

from synthetic.integration import IsOn, dispatch, go_on_after
from synthetic_arq._headers import Dump, adding

__all__ = ["departing", "writing"]


def departing(dump: Dump | None) -> Dump | None:
    """Return the serializer for a job of the present work. Raises UnverifiedMarker."""
    try:
        header, _ = dispatch(None)
    except Exception as error:
        return go_on_after(error, dump)
    return dump if header is None else adding(header, dump)


def writing(original: Any, is_on: IsOn) -> Any:
    """Wrap ``serialize_job``, which makes the bytes that a job is stored as in Redis."""

    @wraps(original)
    def serialize_job(*args: Any, serializer: Dump | None = None) -> Any:
        return original(*args, serializer=departing(serializer) if is_on() else serializer)

    return serialize_job
