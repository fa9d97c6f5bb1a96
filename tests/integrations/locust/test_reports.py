"""The webhook: one post for each change of health, and one for the end of a run."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import gevent
import pytest

from synthetic_locust._health import Change, Health
from synthetic_locust._reports import Reports
from synthetic_locust._tally import Ended, Tally
from synthetic_locust._target import HealthRule, Target


class Hook:
    """A server that takes posts, and answers with these statuses in turn, then with 200."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.url = ""


@pytest.fixture
def hook() -> Iterator[Hook]:
    taken = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["content-type"] == "application/json"
            assert self.headers["baggage"] is None
            taken.posts.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(taken.statuses.pop(0) if taken.statuses else 200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        taken.url = f"http://127.0.0.1:{server.server_port}/secret-path"
        yield taken
        server.shutdown()


def reports_to(hook: Hook) -> Reports:
    target = Target(host="http://localhost:1", run="rush-hour", health=HealthRule(notify=hook.url))
    tally = Tally()
    return Reports(target, Health(target.health, tally, 0.0), tally)


FAILING = Change("ride", "failing", "healthy", 2, 3, Ended("ride", "failed", "book", "HTTP 502", "abc"))


def test_a_change_is_posted_with_journey_step_cause_and_trace(hook: Hook) -> None:
    reports_to(hook).report([FAILING])
    gevent.wait(timeout=30)
    assert hook.posts == [
        {
            "run": "rush-hour",
            "host": "http://localhost:1",
            "journey": "ride",
            "state": "failing",
            "before": "healthy",
            "completed": 2,
            "failed": 3,
            "step": "book",
            "cause": "HTTP 502",
            "trace_id": "abc",
            "text": "ride is failing at book: HTTP 502 (2 completed, 3 failed, trace abc)",
        }
    ]


def test_the_end_of_a_run_is_posted(hook: Hook) -> None:
    reports_to(hook).report_end("stopped by a guardrail: a journey is failing", is_guardrail=True)
    (post,) = hook.posts
    assert (post["state"], post["guardrail"]) == ("stopped", True)


def test_a_webhook_that_fails_is_asked_again_and_its_path_is_not_logged(
    hook: Hook, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthetic_locust._reports.gevent.sleep", lambda seconds: None)
    hook.statuses = [500, 500, 500, 500]
    with caplog.at_level(logging.WARNING, "synthetic.drive"):
        reports_to(hook).report_end("over", is_guardrail=False)
    assert len(hook.posts) == 3
    assert "the webhook at 127.0.0.1 has failed (3 of 3)" in caplog.text
    assert "secret-path" not in caplog.text
