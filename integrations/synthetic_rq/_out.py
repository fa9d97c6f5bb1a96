"""Gives each job its header when it is made, and saves the header with the job."""

from __future__ import annotations

from functools import wraps
from typing import Any

from synthetic.integration import IsOn
from synthetic_rq._headers import stamp_if_decided, write

__all__ = ["creating", "saving"]


def creating(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Job.create``, which makes every job of every queue."""
    make = original.__func__

    @wraps(make)
    def create(cls: Any, *args: Any, **kwargs: Any) -> Any:
        job = make(cls, *args, **kwargs)
        if is_on():
            stamp_if_decided(job)
        return job

    return classmethod(create)


def saving(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Job.to_dict``, which returns the fields that a job is saved with."""

    @wraps(original)
    def to_dict(job: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        fields: dict[str, Any] = original(job, *args, **kwargs)
        if is_on():
            write(job, fields)
        return fields

    return to_dict
