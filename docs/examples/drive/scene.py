"""The processes of a load test: a service, a master with two workers, and real riders."""

from __future__ import annotations

import time
from pathlib import Path

import dial
import groundwork
import serving
from measured import Latest
from services import Service, ServiceFailed

HERE = Path(__file__).parent
REAL_PER_SECOND = 40
START_SECONDS = 90
"""How long the workers may take. Importing Locust takes seconds on a busy machine."""


class Scene:
    """A ``with`` block that ends every process, whatever happens in it."""

    def __init__(self, folder: Path) -> None:
        self.dial = folder / "rides.dial"
        self._folder = folder
        self._listener = serving.listen()
        self._port = self._listener.getsockname()[1]
        self._processes: list[Service] = []

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.leave()
        for process in self._processes:
            process.stop()
        self._listener.close()

    def open(self) -> None:
        """Start all but the service, with nobody on the dial."""
        dial.turn(self.dial, 0)
        settings = groundwork.target(self._folder, HERE / "load.toml", host=f"http://localhost:{self._port}")
        crowd, port = HERE / "crowd.py", "--master-bind-port=0"
        options = "--target", "production"
        self.master = groundwork.start_run(
            "master", self._folder, crowd, settings, *options, "--master", port, "--expect-workers=2"
        )
        self._processes.append(self.master)
        master = f"--master-port={self.master.port()}"
        for name in ("worker 1", "worker 2"):
            worker = groundwork.start_run(name, self._folder, crowd, settings, *options, "--worker", master)
            self._processes.append(worker)
        commuters = [str(HERE / "commuters.py"), str(self._port), str(REAL_PER_SECOND)]
        real = Service("real riders", commuters, self._folder, {})
        self._processes.append(real)
        self.real = Latest(real)

    def deploy(self, shed: str | None) -> None:
        """Start the service with this setting, and then stop the one before: somebody always takes the requests."""
        before = [process for process in self._processes if process.name == "city"]
        setting = {} if shed is None else {"SYNTHETIC_SHED": shed}
        city = Service("city", [str(HERE / "city.py")], self._folder / "services", setting, self._listener)
        self._processes.append(city)
        city.port()
        for old in before:
            old.stop()
            self._processes.remove(old)
        self.simulated = Latest(city)

    def wait_for_workers(self) -> None:
        """Wait until simulated users act, and send them away again."""
        end = time.monotonic() + START_SECONDS
        while not any(said["simulated"] for said in self.simulated.new()):
            self.check()
            if time.monotonic() > end:
                raise ServiceFailed(f"no simulated user has acted within {START_SECONDS} seconds")
            dial.turn(self.dial, 2)
            time.sleep(0.1)
        dial.turn(self.dial, 0)

    def check(self) -> None:
        """Raise ServiceFailed if a process has died."""
        for process in self._processes:
            process.check()

    def finish(self, seconds: float) -> int | None:
        """End the simulated users; return the exit code of their run, or None if it goes on after ``seconds``."""
        end = time.monotonic() + seconds
        dial.stop(self.dial)
        while self.master.ended() is None and time.monotonic() < end:
            time.sleep(0.05)
        return self.master.ended()
