"""The demo of staging in docs/examples/drive: deployments that simulated riders notice."""

from __future__ import annotations

import importlib
import io
import queue
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.docs.pages import blocks_of
from tests.support.demos import EXAMPLES, PAGE, children_of, finished, is_running, need, needs_proc, start, wait_for
from tests.support.servers import wait_until

need("aiosmtpd", "cryptography", "locust", "rich", "uvicorn", "waitress")

DRIVE = EXAMPLES / "drive"
PROGRAM = DRIVE / "staging.py"


def events(printed: str) -> list[str]:
    """Return the lines of the time line, without their times and numbers."""
    lines = (re.match(r" *\d+\.\d s  (.*)", line) for line in printed.splitlines())
    return [re.sub(r" \(.*\)|, after .*", "", line[1]) for line in lines if line]


def test_a_broken_deployment_its_repair_and_a_lost_middleware_are_noticed(tmp_path: Path):
    code, printed, errors = finished(start(PROGRAM, tmp_path, "--calm", "0", "--patience", "60"))
    assert (code, errors) == (0, ""), printed
    told = iter(events(printed))
    for line in (
        "deployed  payments, rides, analytics, maps, mail",
        "noticed   all journeys are healthy",
        "deployed  payments, a release that wants a currency with each charge",
        "the run   drive is failing at finish: HTTP 500",
        "noticed   the broken release, with journey, step and cause",
        "deployed  payments, the release before",
        "the run   drive is healthy, was failing",
        "deployed  rides, a release that has lost its middleware",
        "noticed   the lost middleware",
        "the run   has ended with exit code 3",
    ):
        assert line in told, f"{line!r} is missing, or out of order:\n{printed}"
    assert printed.endswith("Everything was noticed.\n")
    assert list(tmp_path.iterdir()) == []


def test_the_page_of_the_demo_shows_its_help_and_its_time_line(tmp_path: Path):
    shown = [block.text for block in blocks_of(PAGE) if block.language == "text"]
    code, printed, errors = finished(start(PROGRAM, tmp_path, "--help", COLUMNS="120"))
    assert (code, errors) == (0, "")
    assert printed in shown
    (told,) = (events(text) for text in shown if "Everything was noticed." in text)
    assert told[-1] == "the run   has ended with exit code 3"


def test_wrong_arguments_are_explained(tmp_path: Path):
    code, printed, errors = finished(start(PROGRAM, tmp_path, "--patience", "none"))
    assert (code, printed) == (2, "")
    assert "'none' is not a number from 0.1 to 600" in errors


@needs_proc
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_services_and_simulated_riders_end_with_the_demo(tmp_path: Path, number: signal.Signals, code: int):
    demo = start(PROGRAM, tmp_path)
    wait_for(demo, "all journeys are healthy")
    started = dict(children_of(demo.pid))
    assert len(started) == 7, started  # five services, the run, and what watches over it
    demo.send_signal(number)
    assert finished(demo)[0] == code
    wait_until(lambda: not any(is_running(pid) for pid in started))
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module that tells the story."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(EXAMPLES / "rides"))
    monkeypatch.syspath_prepend(str(DRIVE))
    yield importlib.import_module("story")
    for name in set(sys.modules) - before:
        if EXAMPLES in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
            del sys.modules[name]


class Told:
    """A story in which nothing happens but what a test puts into ``said``."""

    def __init__(self, module: Any) -> None:
        from rich.console import Console

        self.module = module
        self.said: queue.Queue[dict[str, Any]] = queue.Queue()
        self.paper = io.StringIO()
        company = SimpleNamespace(check=lambda: None, deploy=lambda *_: None)
        run = SimpleNamespace(ended=lambda: None, check=lambda: None)
        console = Console(file=self.paper, width=100)
        webhook = SimpleNamespace(said=self.said)
        self.story = module.Story(company, run, webhook, console, calm=0.2, patience=0.2)

    def verdict(self) -> tuple[int, str]:
        sinks = SimpleNamespace(stored=[], charged=[], mailed=[])
        code = self.module.verdict(self.story.missed, sinks, self.story.console)
        return code, self.paper.getvalue()


@pytest.fixture
def told(module: Any) -> Told:
    return Told(module)


def change(journey: str, state: str, **more: str) -> dict[str, Any]:
    return {"journey": journey, "state": state, "text": f"{journey} is {state}", **more}


def test_what_the_run_does_not_say_is_missed(told: Told):
    told.said.put(change("ride", "failing"))
    told.story.expect("the broken release", lambda said: said["journey"] == "drive")
    code, printed = told.verdict()
    assert code == 1
    assert "NOT NOTICED: the broken release\n" in printed
    assert "Everything was noticed" not in printed


def test_a_false_alarm_is_told_at_the_end(told: Told):
    told.said.put(change("ride", "failing"))
    told.story.rest()
    code, printed = told.verdict()
    assert code == 1
    assert "NOT NOTICED: that nothing was wrong: ride is failing\n" in printed


def test_a_company_is_healthy_once_every_journey_is(told: Told):
    told.said.put(change("ride", "healthy"))
    told.said.put(change("drive", "failing"))
    told.said.put(change("drive", "healthy"))
    told.story.expect("all are healthy", told.story.all_healthy)
    assert told.verdict()[0] == 0
    assert told.said.empty()
