"""Real workers, each a process that lives as long as the tests need it, and what is sent to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from celery import Celery
from kombu import Queue

from tests.products.celery.app import DEAD, Notes, make_app
from tests.support.reaper import reaped
from tests.support.servers import environment

Keys = dict[str, Any]


class Workers:
    """Starts a worker for a queue when it is first asked for, and ends all of them."""

    def __init__(self, store: str, folder: Path) -> None:
        self.store = store
        self.notes = Notes(f"{store}/2")
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._reaped: dict[str, ExitStack] = {}
        self._apps: dict[str, Celery] = {}

    def app(self, broker: str, queue: str) -> Celery:
        """The application for sending to a queue."""
        if queue not in self._apps:
            self._apps[queue] = make_app(broker, self.store, queue)
        return self._apps[queue]

    def start(self, broker: str, queue: str, pool: str, settings: Mapping[str, str]) -> Celery:
        """Have a worker run that takes from ``queue``; return the application for sending to it."""
        if queue not in self._running:
            with self.app(broker, queue).pool.acquire(block=True) as connection:
                Queue(DEAD)(connection.default_channel).declare()  # what is rejected before it is there is lost
            self._running[queue] = process = self._process(broker, queue, pool, settings)
            self._reaped[queue] = ExitStack()
            self._reaped[queue].enter_context(reaped(process.pid))
            self.notes.next(f"ready {queue}", seconds=120)
        return self.app(broker, queue)

    def _process(self, broker: str, queue: str, pool: str, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
        quick = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
        concurrency = settings.get("CONCURRENCY", {"prefork": "2", "threads": "4", "gevent": "20", "solo": "1"}[pool])
        prefetch = ("--prefetch-multiplier", settings.get("PREFETCH", "32"))
        arguments = ("worker", "-P", pool, "-c", concurrency, *prefetch, "-Q", queue, "-n", f"{queue}@%h", *quick)
        with (self._folder / f"{queue}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tests.products.celery.worker", *arguments],
                cwd=self._folder,
                env={**environment(), "BROKER": broker, "STORE": self.store, "QUEUE": queue, **settings},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def failures(self) -> list[str]:
        """What no worker should ever log: contexts that are detached elsewhere, and refused patches.

        OpenTelemetry's instrumentation logs this too, for contexts of its own, where two attempts of a task overlap.
        """
        found: list[str] = []
        for log in self._folder.glob("*.log"):
            theirs = "opentelemetry" in log.name
            errors = ("which was refused",) if theirs else ("which was refused", "Failed to detach")
            found += [line for line in log.read_text().splitlines() if any(error in line for error in errors)]
        return found

    def kill(self, queue: str) -> None:
        """End a worker and its pool at once, as a machine that fails does."""
        process = self._running.pop(queue)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._reaped.pop(queue).close()

    def close(self) -> None:
        for queue in list(self._running):
            self.kill(queue)
        for app in self._apps.values():
            close(app)
        self.notes.close()


def send_raw(app: Celery, name: str, headers: Mapping[str, Any], task: str = "report") -> None:
    """Send a task past every wrapper."""
    arguments = (name, 0) if task == "flaky" else (name,)
    message = app.amqp.as_task_v2(name, task, arguments)
    with app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            message.body,
            routing_key=app.conf.task_default_queue,
            headers={**message.headers, **headers},
            serializer="json",
            **message.properties,
        )


def dead_letter(app: Celery, name: str | None = None) -> Any:
    """Take away the rejected message of this name, and all before it, or the next one; None if there is none."""
    with app.pool.acquire(block=True) as connection:
        queue = Queue(DEAD)(connection.default_channel)
        while (message := queue.get(no_ack=True)) is not None:
            if name in (None, message.headers["id"]):
                return message
    return None


def close(app: Celery) -> None:
    """Close what an application has opened."""
    app.pool.force_close_all()
    backend: Any = app.backend
    backend.result_consumer.stop()
    backend.client.close()
    app.close()


def having(keys: Keys | None, *, steps: str = "app ours", **settings: str) -> dict[str, str]:
    """The variables for a worker with these keys, which takes these steps."""
    given = {} if keys is None else {"SYNTHETIC_KEYS": json.dumps(keys)}
    return {"STEPS": steps, **given, **{f"SYNTHETIC_{name.upper()}": value for name, value in settings.items()}}
