"""What the pages of *Drive* promise about runs. Each program runs in an interpreter of its own: Locust patches it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.clients import run_script
from tests.support.servers import environment, uvicorn_server

ACTORS = """
from locust import HttpUser, constant, task
from synthetic_locust import journey

class Rider(HttpUser):
    wait_time = constant(0.1)

    @task
    @journey("ride")
    def ride(self):
        self.client.get("/")
"""


def run(folder: Path, target: str, keys: dict[str, Any] | None, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the actors against a target, given as TOML."""
    (folder / "actors.py").write_text(ACTORS, encoding="utf-8")
    (folder / "synthetic.toml").write_text(f"[drive.staging]\n{target}", encoding="utf-8")
    command = [str(Path(sys.executable).with_name("synthetic-traffic")), "run", "actors.py", "--target", "staging"]
    given = {} if keys is None else {"SYNTHETIC_KEYS": json.dumps(keys)}
    return subprocess.run(
        [*command, *options], cwd=folder, env=environment() | given, capture_output=True, text=True, timeout=300
    )


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


@contextmanager
def dial_at_a_url(users: int) -> Iterator[str]:
    """Serve a dial whose setting is renewed with each answer; gives its URL."""

    class Dial(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"users": users, "until": time.time() + 60}).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Dial) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/rides"
        finally:
            server.shutdown()
            thread.join()


def test_a_run_follows_a_dial_at_a_url_and_ends_after_its_time(tmp_path: Path, keys: dict[str, Any]) -> None:
    with (
        synthetic.configured(keys=keys, environment="staging"),
        dial_at_a_url(2) as dial,
        uvicorn_server(SyntheticTrafficMiddleware(app), lifespan="off") as port,
    ):
        done = run(tmp_path, f'host = "http://127.0.0.1:{port}"\ndial = "{dial}"\n', keys, "-t", "5s")
    assert "the dial says 2 users" in done.stderr
    assert "the run ends: its time (--run-time) is over" in done.stderr
    assert "ride is healthy" in done.stderr
    assert done.returncode == 0, done.stderr


def test_a_run_without_a_key_ends_as_wrong_use(tmp_path: Path) -> None:
    done = run(tmp_path, 'host = "http://127.0.0.1:9"\n', None)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


_BEFORE_INIT = """
from locust import User, constant, events, task
from locust.env import Environment
from synthetic_locust._plugin import install
import gevent, synthetic

install()
seen = []

class Rider(User):
    wait_time = constant(0.01)

    @task
    def act(self):
        marker = synthetic.current()
        seen.append(marker and marker.actor)

environment = Environment(user_classes=[Rider], events=events, host=None)
environment.parsed_options = None
runner = environment.create_local_runner()
runner.start(1, spawn_rate=10)  # as a master tells a worker that joins a run at work
gevent.sleep(0.5)
print(seen)
events.init.fire(environment=environment, runner=runner, web_ui=None)
while not seen:
    gevent.sleep(0.01)
print(set(seen))
runner.quit()
"""


def test_no_user_acts_before_the_process_is_ready_to_mark_it(keys: dict[str, Any]) -> None:
    assert run_script(_BEFORE_INIT, keys=keys) == "[]\n{'rider-0-1'}\n"


_HELD_UP = """
import time
import gevent
from synthetic_locust import _deadman

_deadman.PATIENCE = 1.0
deadman = _deadman.Deadman(lambda: True, print)

def master():
    for _ in range(beats):
        gevent.sleep(0.1)
        deadman.hear()

beats = 20
watching = gevent.spawn(deadman.watch)
heard = gevent.spawn(master)
gevent.sleep(0.2)
time.sleep(3)  # the whole process is held up
heard.join()
print("alive")
watching.join()  # now the master is silent
"""


def test_a_worker_that_was_held_up_does_not_take_its_master_for_dead() -> None:
    alive, stopped = run_script(_HELD_UP).splitlines()
    assert alive == "alive"
    assert stopped.startswith("no word from the master for 1.")


_HANDED_OVER = """
import os
os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
from locust.exception import InterruptTaskSet, RescheduleTask, StopUser
from synthetic_locust import _journeys
from synthetic_locust._journeys import Cause, journey, note, step

class Ends:
    def begins(self, name): pass
    def samples(self): return False
    def ends(self, ended, seconds): print(ended.outcome, ended.step, ended.cause)

_journeys.observe(Ends())
for error in (RescheduleTask, InterruptTaskSet, StopUser):
    for fails in (True, False):
        try:
            with journey("ride"), step("book"):
                if fails:
                    note(Cause("HTTP 502"))
                raise error
        except error as raised:
            print(type(raised).__name__)
"""


def test_a_journey_that_failed_counts_also_if_its_task_hands_over() -> None:
    assert run_script(_HANDED_OVER).splitlines() == [
        *("failed book HTTP 502", "RescheduleTask", "completed - None", "RescheduleTask"),
        *("failed book HTTP 502", "InterruptTaskSet", "completed - None", "InterruptTaskSet"),
        *("StopUser", "StopUser"),
    ]


_OUTSIDE = """
import synthetic_locust.testing
from locust import FastHttpUser, HttpUser, task
import synthetic
from synthetic_locust.testing import JourneyFailed, once

synthetic.instrument()

def app(environ, start_response):
    start_response("500 Internal Server Error", [])
    return []

class Rider(HttpUser):
    @task
    def look(self):
        self.client.get("/", name="look")

class Driver(FastHttpUser):
    @task
    def look(self):
        self.client.get("/", name="look")

for actor in (Rider, Driver):
    try:
        once(actor, app=app)
    except JourneyFailed as failed:
        print(failed)
"""


def test_once_fails_with_a_request_outside_of_a_journey() -> None:
    assert run_script(_OUTSIDE) == "GET look at -: HTTP 500\n" * 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("40",), "say for how long"),
        (("40", "--for", "48h"), "is not between"),
        (("40", "--for", "20m", "--rate", "0"), "the dial's rate"),
        (("--hold", "vector(1)", "--below", "1", "--prometheus", "http://127.0.0.1:9", "--most", "0"), "--most"),
    ],
)
def test_dial_writes_nothing_that_a_run_could_not_read(
    arguments: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    command = str(Path(sys.executable).with_name("synthetic-traffic"))
    dial = tmp_path / "rides.dial"
    done = subprocess.run([command, "dial", str(dial), *arguments], capture_output=True, text=True, env=environment())
    assert (done.returncode, dial.exists()) == (2, False)
    assert complaint in done.stderr
