"""A Locust file for the benchmark of marking: users of one class, and the processor time that a request takes.

It prints that time at the end of the run, in nanoseconds. ``ACTORS_CLIENT`` names the class of the client.
"""

from __future__ import annotations

import os
import resource
from typing import Any

import gevent
from locust import FastHttpUser, HttpUser, constant, events, task

_CLIENT: Any = {"HttpUser": HttpUser, "FastHttpUser": FastHttpUser}[os.environ.get("ACTORS_CLIENT", "HttpUser")]
_begun: list[tuple[float, int]] = []


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Visitor(_CLIENT):  # type: ignore[misc]
    wait_time = constant(0)

    @task
    def look(self) -> None:
        self.client.get("/rides/17", name="ride")


@events.test_start.add_listener
def begin(environment: Any, **_: Any) -> None:
    """Begin to measure after a second: what is loaded and signed once is no part of a request."""
    gevent.spawn_later(1, lambda: _begun.append((_used(), environment.stats.total.num_requests)))


@events.test_stopping.add_listener
def end(environment: Any, **_: Any) -> None:
    if _begun:
        used, before = _begun[0]
        requests = environment.stats.total.num_requests - before
        print(f"ns per request: {(_used() - used) / requests * 1e9:.0f}", flush=True)
