"""A soak under gevent: real, simulated and forged requests fan out over every hop, and not one verdict is wrong."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.servers import environment

pytest.importorskip("gevent")
pytest.importorskip("requests")

ONCE = (
    "request",
    "requests",
    "inner, at its end",
    "response",
    "a greenlet's greenlet",
    "spawn_later",
    "spawn_raw",
    "Pool",
    "callback",
    "threadpool",
    "Thread",
    "ThreadPoolExecutor",
)
"""What each request that is not refused does once; ``spawn`` and ``stream`` have three steps."""


@pytest.mark.long
def test_requests_that_fan_out_into_greenlets_and_threads_get_no_wrong_verdict(long_run: bool) -> None:
    total = 24_000 if long_run else 480
    command = [sys.executable, "-m", "tests.integrations.gevent.soak", str(total)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    checked = found["checked"]
    admitted = total - checked["refused"]
    assert admitted > total // 2
    assert checked == {**dict.fromkeys(ONCE, admitted), "spawn": 3 * admitted, "stream": 3 * admitted,
                       "refused": checked["refused"]}  # fmt: skip
