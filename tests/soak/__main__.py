"""``make soak``: a run with four workers goes on for hours, while things break and are mended.

It prints how many requests arrived without a marker, the changes of health, and what the memory of the master and of a
worker did. Exit codes: 0 all held, 1 something did not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.products.locust.runs import Run, Service, runs, service
from tests.soak.memory import Series
from tests.soak.trouble import Trouble

_ACTORS = str(Path(__file__).with_name("actors.py"))
_USERS = 12
_TABLE = """\
users = 12
rate = 50
dial = 'rides.dial'
health = { window = '20s', fresh = '30s', minimum = 5 }
"""
_SAMPLES_EVERY = 10
_GROWTH = 0.2
"""MB an hour."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__, add_help=True)
    parser.add_argument("--hours", type=float, default=2, metavar="N", help="how long (default: 2)")
    parser.add_argument("--every", type=float, default=60, metavar="SECONDS", help="between two troubles (default: 60)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which troubles (default: 1)")
    parser.add_argument("--folder", type=Path, help="where logs are kept (default: a temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        with service(folder) as started, runs(folder, started.url) as of_it:
            of_it.configure(_TABLE)
            of_it.turn(_USERS, seconds=3600)
            master, workers = of_it.distributed(_ACTORS, 4)
            trouble = Trouble(started, of_it, workers, arguments.seed)
            started.wait_for(100)
            series = [Series("master", master.process.pid), Series("worker", workers[0].process.pid)]
            print(f"Four workers, {_USERS} actors, {arguments.hours:g} hours. Logs: {folder}", flush=True)
            _go_on(arguments.hours, arguments.every, trouble, series, master)
            return _result(folder, started, trouble, series, master, workers)


def _go_on(hours: float, every: float, trouble: Trouble, series: list[Series], master: Run) -> None:
    begun = time.monotonic()
    next_trouble = begun + every
    while (passed := time.monotonic() - begun) < hours * 3600 and master.process.poll() is None:
        for one in series:
            one.sample(passed / 3600)
        if time.monotonic() >= next_trouble:
            trouble.make(_USERS)
            next_trouble = time.monotonic() + every
        time.sleep(_SAMPLES_EVERY)


def _result(
    folder: Path, started: Service, trouble: Trouble, series: list[Series], master: Run, workers: list[Run]
) -> int:
    went_on = master.process.poll() is None and workers[0].process.poll() is None
    started.wait_for(100)
    master.wait_for("drive is healthy")
    master.kill(15)
    code = master.exit_code()
    # Requests of all services: those that were killed have written theirs to the same file.
    unmarked = len((folder / "unmarked.txt").read_text().splitlines()) if (folder / "unmarked.txt").exists() else 0
    marked = trouble.marked + started.sink()["marked"]
    changes = [line for line in master.log().splitlines() if " is failing" in line or " is healthy" in line]
    print(f"The run went on to the end: {'yes' if went_on else 'no'}; its exit code: {code}")
    print(f"Requests: {marked:,} marked, {unmarked} unmarked")
    print("Troubles: " + ", ".join(f"{count} x {name}" for name, count in sorted(trouble.counts.items())))
    print(f"Changes of health: {len(changes)}")
    for one in series:
        print(f"{one.plot()}, {one.slope(after=1):+.2f} MB/h after the first hour (at most {_GROWTH})")
    return 0 if went_on and not unmarked and all(one.slope(after=1) <= _GROWTH for one in series) else 1


if __name__ == "__main__":
    sys.exit(main())
