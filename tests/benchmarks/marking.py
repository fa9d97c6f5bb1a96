"""What marking costs a Locust process: the processor time of a request, with the marker and without."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from synthetic.asgi import SyntheticTrafficMiddleware
from tests.benchmarks.material import asgi_application
from tests.benchmarks.measure import Effort
from tests.benchmarks.table import Row, at_most
from tests.support.keys import shared_key
from tests.support.servers import environment, uvicorn_server

_BIN = Path(sys.executable).parent
_FILE = Path(__file__).parent / "actors.py"
_USERS = 4


def marked(effort: Effort) -> Iterator[Row]:
    """Both clients of Locust, marked and not, in turn, each in a process of its own."""
    keys = json.dumps(shared_key())
    seconds, rounds = (5, 7) if effort.rounds > 100 else (3, 1)
    os.environ["SYNTHETIC_KEYS"] = keys
    try:
        with uvicorn_server(SyntheticTrafficMiddleware(asgi_application), lifespan="off") as port:
            for client, limit in (("HttpUser", 1.03), ("FastHttpUser", 1.05)):
                times: dict[bool, list[float]] = {True: [], False: []}
                for number in range(rounds):
                    for is_marked in (True, False) if number % 2 else (False, True):
                        times[is_marked].append(_time(client, port, seconds, keys if is_marked else None))
                what = f"Locust, {client}: processor time of a request"
                yield Row(what, median(times[True]), "not marked", median(times[False]), at_most(limit))
    finally:
        del os.environ["SYNTHETIC_KEYS"]


def _time(client: str, port: int, seconds: int, keys: str | None) -> float:
    """Return the nanoseconds that a request takes in a run of this kind; without ``keys``, in one of Locust alone."""
    own = [str(_BIN / "locust"), "-f", str(_FILE), "--headless", "--only-summary"]
    command = own if keys is None else [str(_BIN / "synthetic-traffic"), "run", str(_FILE)]
    options = ["-H", f"http://localhost:{port}", "-u", str(_USERS), "-r", str(_USERS), "-t", f"{seconds}s"]
    given = {"ACTORS_CLIENT": client, **({} if keys is None else {"SYNTHETIC_KEYS": keys})}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, *options], cwd=folder, env=environment() | given, capture_output=True, text=True, check=False
        )
    found = re.search(r"ns per request: (\d+)", done.stdout)
    if found is None or done.returncode:
        raise RuntimeError(f"the run has failed:\n{done.stdout}{done.stderr}")
    return float(found[1])
