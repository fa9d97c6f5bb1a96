"""Master and workers agree on what they drive, before any actor acts.

A worker of another target would mark its actors for another environment, and one that Locust itself has started would
not mark them at all. So the master starts actors only on workers that have told it the same facts. A worker lets no
actor act before its master has agreed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from locust.rpc import Message, rpc

from synthetic.integration import IsOn, Patch

__all__ = ["MasterSide", "WorkerSide"]

_log = logging.getLogger("synthetic.drive")

_MESSAGE: Final = "synthetic-target"

_PATIENCE: Final = 30.0
"""Seconds after which a worker or master that says nothing is not one of ours."""

Facts = dict[str, Any]


class MasterSide:
    """Holds back the actors of each worker until it has told the same facts."""

    def __init__(self, runner: Any, facts: Facts) -> None:
        self._runner = runner
        self._facts = facts
        self._agreed: set[str] = set()
        self._held: dict[str, tuple[float, Any]] = {}
        """The last order to start actors of each worker that has told nothing yet, and since when it waits."""
        Patch(rpc.Server, "send_to_client", self._sending).put_on()
        runner.register_message(_MESSAGE, self._hear)

    def _sending(self, original: Any, is_on: IsOn) -> Any:
        @wraps(original)
        def send_to_client(server: Any, msg: Any) -> Any:
            if msg.type != "spawn" or msg.node_id in self._agreed:
                return original(server, msg)
            waits_since, _ = self._held.get(msg.node_id, (time.monotonic(), None))
            self._held[msg.node_id] = waits_since, msg
            return None

        return send_to_client

    def _hear(self, msg: Any, **others: Any) -> None:
        worker = msg.node_id
        if msg.data != self._facts:
            _log.error("worker %s drives %s, and this master %s: it gets no actors", worker, msg.data, self._facts)
            self._send(_MESSAGE, worker, f"the master drives {self._facts}, and this worker {msg.data}")
            return
        self._agreed.add(worker)
        self._send(_MESSAGE, worker)
        _, held = self._held.pop(worker, (0.0, None))
        if held is not None:
            self._runner.server.send_to_client(held)

    def look(self) -> None:
        """Send home the workers that have told nothing for long."""
        for worker, (waits_since, _) in list(self._held.items()):
            if time.monotonic() - waits_since > _PATIENCE:
                del self._held[worker]
                _log.error(
                    "worker %s does not say what it drives, so it gets no actors. Start it like this one: "
                    "synthetic-traffic run FILE --worker, with the same --target.",
                    worker,
                )
                self._send("quit", worker)

    def _send(self, kind: str, worker: str, why_not: str | None = None) -> None:
        message: Any = Message
        self._runner.server.send_to_client(message(kind, why_not, worker))


class WorkerSide:
    """Tells the master the facts until it agrees, and then calls ``agreed``."""

    def __init__(self, runner: Any, facts: Facts, agreed: Callable[[], object], alone: Callable[[str], object]) -> None:
        self._runner = runner
        self._facts = facts
        self._agreed = agreed
        self._alone = alone
        self._begun = time.monotonic()
        self._is_done = False
        runner.register_message(_MESSAGE, self._hear)

    def _hear(self, msg: Any, **_: Any) -> None:
        self._is_done = True
        if msg.data is None:
            self._agreed()
        else:
            self._alone(str(msg.data))

    def look(self) -> None:
        """Tell the facts again, unless the master has agreed. Call ``alone`` if it never does."""
        if self._is_done:
            return
        if time.monotonic() - self._begun > _PATIENCE:
            self._is_done = True
            self._alone("the master does not answer: start it with synthetic-traffic run FILE --master")
            return
        self._runner.send_message(_MESSAGE, self._facts)
