"""Where a job has its header: in a field of its own of the job's hash in Redis, ``baggage``.

Not in ``job.meta``, which belongs to the application: it may replace it while the job runs, and a retry would then be
taken for real. What the caller has put into ``job.meta["baggage"]`` counts as his own header.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from synthetic._carrier import NAME, baggage_in, outgoing
from synthetic._egress import dispatch
from synthetic._failure import go_on_after
from synthetic._verdict import current_verdict

__all__ = ["FIELD", "markers_in", "read", "stamp", "stamp_if_decided", "write"]

FIELD: Final = NAME

_HEADER: Final = "_synthetic_header"
"""The attribute of a job with its header, ``""`` for none. It has none while nobody has decided."""


def stamp_if_decided(job: Any) -> None:
    """Give a new job the header of the work at hand, if that is decided; else the first time it is saved decides.

    Later nothing does: a retry, a repetition and a job that somebody else enqueues stay what they were.
    """
    if current_verdict() is not None:
        stamp(job)


def stamp(job: Any) -> None:
    """Give a new job the header of the work at hand. Raises UnverifiedMarker."""
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

    Also where there is none: the hash may be that of an earlier job with the same id.
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
    if value is None:  # whoever has made the job knows nothing of us
        setattr(job, _HEADER, ",".join(_own(job)))
    else:
        setattr(job, _HEADER, value.decode("latin-1") if isinstance(value, bytes) else value)


def markers_in(job: Any) -> list[str]:
    """Return the values of the ``baggage`` headers of a job: one, or none."""
    header = getattr(job, _HEADER, "")
    return [header] if header else []


def _encoded(header: str) -> bytes:
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:
        return header.encode()


def _own(job: Any) -> list[str]:
    """The caller's own header."""
    meta = job.meta
    return baggage_in(meta) if meta and isinstance(meta, dict) else []  # pyright: ignore[reportUnknownArgumentType]
