"""Starts the service and runs of actors, each as a process, and waits for what they do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.keys import shared_key
from tests.support.reaper import reaped
from tests.support.servers import ROOT, environment, wait_until

FILES = Path(__file__).parent
COMMAND = Path(sys.executable).parent / "synthetic-traffic"
KEYS = shared_key()


class Service:
    """The service, by its URL. ``halt_file`` has the names of runs that it refuses."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        self._folder = folder
        self._running = ExitStack()
        self.url = f"http://localhost:{self._port}"
        self.halt_file = folder / "halted.txt"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "tests.products.locust.service", str(self._port)]
        variables = {"SYNTHETIC_KEYS": json.dumps(KEYS), "SYNTHETIC_ENVIRONMENT": "staging"}
        halt = {"SYNTHETIC_HALT_FILE": str(self.halt_file)}
        process = self._running.enter_context(_process(command, self._folder, {**variables, **halt}))
        wait_until(lambda: self._answers(process))

    def end(self) -> None:
        """Kill it."""
        self._running.close()

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, "the service did not start"
        try:
            self.sink()
        except OSError:
            return False
        return True

    def sink(self) -> dict[str, Any]:
        """Return what has arrived."""
        with urllib.request.urlopen(f"{self.url}/sink", timeout=30) as answer:
            return dict(json.loads(answer.read()))

    def behave(self, **how: Any) -> None:
        """Change how the service behaves."""
        request = urllib.request.Request(f"{self.url}/sink", json.dumps(how).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=30):
            pass

    def wait_for(self, number: int) -> None:
        """Wait until so many more marked requests have arrived."""
        before = self.sink()["marked"]
        wait_until(lambda: self.sink()["marked"] >= before + number)

    def last_after(self, begun: float, silence: float = 2.0) -> float:
        """Wait until nothing has arrived for ``silence`` seconds. Return when the last request did, after ``begun``."""
        wait_until(lambda: (seen := self.sink())["now"] - seen["last"] > silence)
        return float(self.sink()["last"]) - begun


@contextmanager
def service(folder: Path) -> Iterator[Service]:
    """Run the service."""
    started = Service(folder)
    try:
        started.start()
        yield started
    finally:
        started.end()


class Run:
    """A process that runs actors."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def log(self) -> str:
        """Return what it has printed."""
        return self._log.read_text()

    def wait_for(self, text: str) -> None:
        """Wait until it has printed this."""
        wait_until(lambda: text in self.log() or self.process.poll() is not None)
        assert text in self.log(), self.log()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to it."""
        os.kill(self.process.pid, number)

    def exit_code(self) -> int:
        """Wait for its end."""
        return self.process.wait(60)


class Runs:
    """Runs of one configuration, in a folder of their own. All of them end with the test."""

    def __init__(self, folder: Path, stack: ExitStack, host: str) -> None:
        self.folder = folder
        self._stack = stack
        self._host = host
        self._number = 0
        self.port = ""
        self.dial = folder / "rides.dial"

    def configure(self, text: str) -> None:
        """Write the table of the target ``staging``; it has the service's host already."""
        (self.folder / "synthetic.toml").write_text(f'[drive.staging]\nhost = "{self._host}"\n{text}')

    def start(self, file: str, *options: str, target: str | None = "staging", **settings: str) -> Run:
        """Start ``synthetic-traffic run``."""
        arguments = [] if target is None else ["--target", target]
        command = [str(COMMAND), "run", str(FILES / file), *arguments, *options]
        return self._started(command, {"SYNTHETIC_KEYS": json.dumps(KEYS), **settings})

    def _started(self, command: list[str], variables: Mapping[str, str]) -> Run:
        self._number += 1
        log = self.folder / f"run-{self._number}.log"
        return Run(self._stack.enter_context(_process(command, self.folder, variables, log)), log)

    def distributed(self, file: str, workers: int, *options: str) -> tuple[Run, list[Run]]:
        """Start a master and workers."""
        self.port = str(free_port())
        expected = str(max(1, workers))
        master = self.start(file, "--master", "--expect-workers", expected, "--master-bind-port", self.port, *options)
        return master, [self.worker(file) for _ in range(workers)]

    def worker(self, file: str) -> Run:
        """Start another worker for the last master."""
        return self.start(file, "--worker", "--master-port", self.port)

    def locust(self, file: str, *options: str) -> Run:
        """Start Locust's own command."""
        return self._started([str(COMMAND.with_name("locust")), "-f", str(FILES / file), *options], {})

    def turn(self, users: int, seconds: float = 600, **more: float) -> None:
        """Turn the dial."""
        document = {"users": users, "until": time.time() + seconds, "rate": 50, **more}
        self._write(document)

    def stop(self) -> None:
        """Let the dial say stop."""
        self._write({"stop": True})

    def _write(self, document: Mapping[str, Any]) -> None:
        new = self.dial.with_suffix(".new")
        new.write_text(json.dumps(document))
        new.replace(self.dial)


@contextmanager
def runs(folder: Path, host: str) -> Iterator[Runs]:
    """Give a starter of runs. Every run ends with the block."""
    with ExitStack() as stack:
        yield Runs(folder, stack, host)


@contextmanager
def _process(
    command: list[str], folder: Path, variables: Mapping[str, str], log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with (log or Path(os.devnull)).open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment(), **variables, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with reaped(process.pid):
        try:
            yield process
        finally:
            with _ended():
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def _ended() -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        pass


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(what: Callable[[], bool]) -> float:
    """Wait for something; return how many seconds that took."""
    begun = time.monotonic()
    wait_until(what)
    return time.monotonic() - begun
