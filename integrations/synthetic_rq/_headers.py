"""Reads and writes the header of a job: the field ``baggage`` of the job's hash in Redis.

The header is not in ``job.meta``, which belongs to the application. The application may replace it while the job runs,
and a retry would then be treated as real. An entry ``job.meta["baggage"]`` counts as the caller's own header.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from synthetic.integration import BAGGAGE, baggage_in, current_verdict, dispatch, go_on_after, outgoing

__all__ = ["FIELD", "markers_in", "read", "stamp", "stamp_if_decided", "write"]

FIELD: Final = BAGGAGE

_HEADER: Final = "_synthetic_header"
"""The attribute of a job with its header, or ``""`` for none. It is missing until the header is decided."""


def stamp_if_decided(job: Any) -> None:
    """Give a new job the header of the work that makes it, if that has a verdict; otherwise the first save sets it.

    It never changes after that: it stays the same for a retry, for a repetition, and if other work enqueues the job.
    """
    if current_verdict() is not None:
        stamp(job)


def stamp(job: Any) -> None:
    """Give a new job the header of the present work. Raises UnverifiedMarker."""
    header = None
    try:
        if present := _own(job):
            job.meta, _ = outgoing(job.meta)
            header, _ = dispatch(",".join(present))
        else:
            header, _ = dispatch(None)
    except Exception as error:
        go_on_after(error, None)
    setattr(job, _HEADER, header or "")


def write(job: Any, fields: dict[str, Any]) -> None:
    """Put the header of a job into the fields that it is saved with.

    A job without a header gets an empty one, because the hash may be from an earlier job with the same id.
    """
    header: str | None = getattr(job, _HEADER, None)
    if header is None:
        stamp(job)
        header = str(getattr(job, _HEADER))
    fields[FIELD] = header if header.isascii() else _encoded(header)


def read(job: Any, fields: Mapping[Any, Any]) -> None:
    """Take the header of a job from the fields that it was saved with."""
    value = fields.get(FIELD.encode())
    if value is None:
        value = fields.get(FIELD)
    if value is None:  # the job comes from a process without this integration
        setattr(job, _HEADER, ",".join(_own(job)))
    else:
        setattr(job, _HEADER, value.decode("latin-1") if isinstance(value, bytes) else value)


def markers_in(job: Any) -> list[str]:
    """Return the values of the ``baggage`` headers of a job: one, or none."""
    header: object = getattr(job, _HEADER, "")
    return [header] if header and isinstance(header, str) else []  # a test may pass a stand-in for a job


def _encoded(header: str) -> bytes:
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:
        return header.encode()


def _own(job: Any) -> list[str]:
    """Return the caller's own header."""
    meta = job.meta
    return baggage_in(meta) if meta and isinstance(meta, dict) else []  # pyright: ignore[reportUnknownArgumentType]
