"""The functions of the jobs. They note in Redis what they see, for they may run in a process of their own."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict
from typing import Any

from rq import Queue, get_current_job

import synthetic
from tests.contract.messages import Seen

SEEN = "seen"


def note(name: str, job: Any = None) -> None:
    """Note under this name what work this is."""
    job = job or get_current_job()
    header = job.connection.hget(job.key, "baggage")
    seen = Seen.now(name, header.decode("latin-1") if header else None)
    job.connection.hset(SEEN, name, json.dumps(asdict(seen)))


def seen_in(connection: Any, name: str) -> Seen | None:
    told = connection.hget(SEEN, name)
    return told and Seen(**json.loads(told))


def say(text: str) -> str:
    """An ordinary job."""
    return f"{text}, {'simulated' if synthetic.is_synthetic() else 'real'}"


def fail_once(name: str) -> None:
    """Note each try under its own name; the first one fails, after it has replaced all that the job carries."""
    job: Any = get_current_job()
    number = job.connection.incr(f"tries:{name}")
    note(f"{name}:{number}")
    if number == 1:
        job.meta = {"progress": 1}
        job.save_meta()
        raise ValueError("this is the first time")


def enqueue_another(name: str) -> None:
    job: Any = get_current_job()
    Queue(job.origin, connection=job.connection).enqueue(note, name)


def fail(name: str) -> None:
    note(name)
    raise ValueError("always")


def die(name: str) -> None:
    """Kill the process, the first time."""
    job: Any = get_current_job()
    number = job.connection.incr(f"tries:{name}")
    note(f"{name}:{number}")
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def on_success(job: Any, connection: Any, result: Any) -> None:
    note(f"{job.id}:success", job)


def on_failure(job: Any, connection: Any, *exc_info: Any) -> None:
    note(f"{job.id}:failure", job)


def on_stopped(job: Any, connection: Any) -> None:
    note(f"{job.id}:stopped", job)


def on_exception(job: Any, *exc_info: Any) -> bool:
    note(f"{job.id}:exception", job)
    return True
