"""arq's functions that write and read jobs, wherever it has imported them."""

from __future__ import annotations

from functools import wraps
from typing import Any

from synthetic._patch import IsOn
from synthetic_arq._running import admitting
from synthetic_arq._wire import Dump, Load, departing, taking

__all__ = ["reading", "receiving", "writing"]


def writing(original: Any, is_on: IsOn) -> Any:
    """Wrap ``serialize_job``, which makes of every job what goes to Redis."""

    @wraps(original)
    def serialize_job(*args: Any, serializer: Dump | None = None) -> Any:
        return original(*args, serializer=departing(serializer) if is_on() else serializer)

    return serialize_job


def reading(original: Any, is_on: IsOn) -> Any:
    """Wrap ``deserialize_job``, for whoever asks what is in the queue."""

    @wraps(original)
    def deserialize_job(raw: bytes, *, deserializer: Load | None = None) -> Any:
        return original(raw, deserializer=taking(deserializer) if is_on() else deserializer)

    return deserialize_job


def receiving(original: Any, is_on: IsOn) -> Any:
    """Wrap ``deserialize_job_raw``, for a worker that is about to run the job."""

    @wraps(original)
    def deserialize_job_raw(raw: bytes, *, deserializer: Load | None = None) -> Any:
        return original(raw, deserializer=admitting(deserializer) if is_on() else deserializer)

    return deserialize_job_raw
