"""How a test steers a server and asks what happened on it, wherever that runs."""

from __future__ import annotations

import json
from typing import Any

import synthetic
from tests.support.entrances import callables
from tests.support.reporting import JOURNAL
from tests.support.servers import wait_until
from tests.support.wire import Connection


class Server:
    """A server in this process. ``ready`` and ``shed`` are given to ``configure`` as their answers."""

    def __init__(self, port: int) -> None:
        self.port = port

    def configure(self, **settings: Any) -> None:
        synthetic.configure(**callables(settings))

    def journal(self, id_: str) -> dict[str, Any]:
        return JOURNAL.of(id_)

    def step(self, id_: str, step: str) -> Any:
        """What was noted at a step that may still be to come."""
        wait_until(lambda: step in self.journal(id_))
        return self.journal(id_)[step]


class RemoteServer(Server):
    """A server in a process of its own, with an entrance called ``control``."""

    def configure(self, **settings: Any) -> None:
        self._ask("configure", settings)

    def journal(self, id_: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("journal", id_)
        return answer

    def _ask(self, what: str, about: Any) -> Any:
        with Connection(self.port) as connection:
            response = connection.request(f"/control/{what}", method="POST", body=json.dumps(about).encode())
        assert response.status == 200, response
        return response.json()
