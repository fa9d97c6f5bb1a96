"""Jobs where they are made, saved and fetched."""

from __future__ import annotations

from functools import wraps
from typing import Any

from synthetic._patch import IsOn
from synthetic_rq import _header

__all__ = ["creating", "restoring", "saving"]


def creating(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Job.create``, which makes every job of every queue."""
    make = original.__func__

    @wraps(make)
    def create(cls: Any, *args: Any, **kwargs: Any) -> Any:
        job = make(cls, *args, **kwargs)
        if is_on():
            _header.stamp_if_decided(job)
        return job

    return classmethod(create)


def saving(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Job.to_dict``, which gives the fields that a job is saved with."""

    @wraps(original)
    def to_dict(job: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        fields: dict[str, Any] = original(job, *args, **kwargs)
        if is_on():
            _header.write(job, fields)
        return fields

    return to_dict


def restoring(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Job.restore``, which takes the fields of a job as they were saved."""

    @wraps(original)
    def restore(job: Any, raw_data: Any) -> Any:
        restored = original(job, raw_data)
        if is_on():
            _header.read(job, raw_data)
        return restored

    return restore
