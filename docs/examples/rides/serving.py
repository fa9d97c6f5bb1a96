"""What every service of the demo does around its own job: listen, say where, write down what it saw, stop."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import waitress

LOOPBACK = "127.0.0.1"


def listen() -> socket.socket:
    """A listening socket on a port that the system chooses, so that nothing can take it in between.

    A demo that restarts a service keeps its socket, and hands it over by the number in LISTENER.
    """
    kept = os.environ.get("LISTENER")
    return socket.create_server((LOOPBACK, 0), backlog=512) if kept is None else socket.socket(fileno=int(kept))


def announce(port: int) -> None:
    print(json.dumps({"port": port}), flush=True)


def when_the_demo_ends(stop: Callable[[], object]) -> None:
    """Call ``stop`` once standard input closes: when the demo says so, and also when it was killed."""

    def wait() -> None:
        sys.stdin.buffer.read()
        stop()

    threading.Thread(target=wait, daemon=True).start()


def serve_wsgi(app: Any) -> None:
    server = waitress.create_server(app, sockets=[listen()], threads=8)
    announce(server.effective_port)
    when_the_demo_ends(lambda: os._exit(0))  # waitress cannot be stopped from another thread; all is written already
    server.run()


class Notebook:
    """A file with one line for each ride that was seen."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, ride: str) -> None:
        with self._lock:
            self._file.write(f"{ride}\n")
            self._file.flush()
