"""The company of the rides demo, in staging: its services can be deployed anew while it works."""

from __future__ import annotations

import socket
from pathlib import Path

import serving
from services import Company, Service


class Staging(Company):
    """All services. Those in ``DEPLOYED`` keep their port from release to release."""

    DEPLOYED = ("payments", "rides")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._listeners = {name: serving.listen() for name in self.DEPLOYED}
        self._environments: dict[str, dict[str, str]] = {}

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        for listener in self._listeners.values():
            listener.close()

    def deploy(self, name: str, script: Path, *arguments: str) -> Service:
        """Start another release of a service, and return the one before.

        Both take requests until that is retired, so that somebody always does.
        """
        before = next(service for service in self._services if service.name == name)
        self._start(name, str(script), *arguments, **self._environments[name]).port()
        return before

    def retire(self, service: Service) -> None:
        """Stop a release."""
        service.stop()
        self._services.remove(service)

    def _start(
        self, name: str, script: str, *arguments: str, listener: socket.socket | None = None, **environment: str
    ) -> Service:
        self._environments[name] = environment
        return super()._start(name, script, *arguments, listener=listener or self._listeners.get(name), **environment)
