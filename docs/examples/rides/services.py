"""The services as processes: started, watched and stopped."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
START_SECONDS = 30
STOP_SECONDS = 5


class ServiceFailed(Exception):
    """A service did not start, or died."""


class Service:
    """One process. It runs in ``folder``, which takes what it writes, and its errors in ``NAME.log``.

    It listens on ``listener``, which stays open when it ends, or on a socket of its own.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        listener: socket.socket | None = None,
    ) -> None:
        self.name = name
        handed_over = {} if listener is None else {"LISTENER": str(listener.fileno())}
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=folder,
                env={**os.environ, **environment, **handed_over},
                pass_fds=() if listener is None else (listener.fileno(),),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops its services
            )

    def port(self) -> int:
        """The port that the service announces once it listens."""
        impatience = threading.Timer(START_SECONDS, self._process.kill)
        impatience.start()
        try:
            line = self._process.stdout.readline()
        finally:
            impatience.cancel()
        if not line:
            self._process.wait()
            raise ServiceFailed(f"{self.name} did not start{self._last_words()}")
        return int(json.loads(line)["port"])

    def check(self) -> None:
        """Raise ServiceFailed where the process has ended."""
        if self._process.poll() is not None:
            raise ServiceFailed(f"{self.name} died{self._last_words()}")

    def ended(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def lines(self) -> Iterator[bytes]:
        """What it prints after its port, line by line, until it ends."""
        return iter(self._process.stdout)

    def leave(self) -> None:
        """Tell the process to end: its standard input closes."""
        try:
            self._process.stdin.close()
        except OSError:  # it is gone already
            pass

    def stop(self) -> None:
        self.leave()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._process.stdout.close()

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        said = "".join(f"\n  {line}" for line in lines) or " nothing"
        return f" (exit code {self._process.returncode}). Its last lines were:{said}"


class Company:
    """All services; a ``with`` block ends them, whatever happens in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._services: list[Service] = []

    def __enter__(self) -> Company:
        return self

    def __exit__(self, *_: object) -> None:
        for service in self._services:
            service.leave()
        for service in self._services:
            service.stop()

    def open(self) -> None:
        """Start every service. Those of the company go by the name ``localhost``, the vendors by their address."""
        payments = self._start("payments", "payments.py")
        analytics = self._start("analytics", "vendor.py", "analytics")
        maps = self._start("maps", "vendor.py", "maps")
        mail = self._start("mail", "mail.py")
        self.payments = f"http://localhost:{payments.port()}"
        addresses = {
            "PAYMENTS_URL": self.payments,
            "ANALYTICS_URL": f"http://127.0.0.1:{analytics.port()}/events",
            "MAPS_URL": f"http://127.0.0.1:{maps.port()}/estimates",
            "MAIL_PORT": str(mail.port()),
        }
        self.rides = f"http://localhost:{self._start('rides', 'rides.py', **addresses).port()}"

    def check(self) -> None:
        for service in self._services:
            service.check()

    def _start(
        self, name: str, script: str, *arguments: str, listener: socket.socket | None = None, **environment: str
    ) -> Service:
        service = Service(name, [str(HERE / script), *arguments], self._folder, environment, listener)
        self._services.append(service)
        return service
