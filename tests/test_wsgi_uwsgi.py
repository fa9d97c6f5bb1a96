"""The WSGI middleware on uWSGI, whose ``wsgi.file_wrapper`` is a function that returns the file."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.keys import shared_key
from tests.support.markers import marked
from tests.support.reaper import reaped
from tests.support.servers import environment, wait_until
from tests.support.wire import get

APP = """
import os

import synthetic
from synthetic.wsgi import SyntheticTrafficMiddleware

synthetic.instrument("http-client")

class Reader:
    # A file that can only be read.
    def __init__(self):
        self.left = [b"hello ", b"world"]

    def read(self, size=-1):
        return self.left.pop(0) if self.left else b""

    def close(self):
        pass


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/memory":
        with open("/proc/self/status") as status:  # the peak of this process alone, in KiB
            return [next(line for line in status if line.startswith("VmHWM")).split()[1].encode()]
    file = Reader() if environ["PATH_INFO"] == "/reader" else open(os.environ["DOWNLOAD"], "rb")
    return environ["wsgi.file_wrapper"](file, 8192)


application = SyntheticTrafficMiddleware(application)
"""
SIZE = 80_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, dict[str, Any]]]:
    """The port of a server, and its keys."""
    folder = tmp_path_factory.mktemp("uwsgi")
    (folder / "served.py").write_text(APP)
    with (folder / "download").open("wb") as file:
        file.truncate(SIZE)  # no line ever ends
    keys = shared_key()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["-c", "import pyuwsgi, sys; pyuwsgi.run(sys.argv[1:])", "--http-socket", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [sys.executable, *command, "--need-app", "--module", "served:application", "--pythonpath", str(folder)],
        env={**environment(), "SYNTHETIC_KEYS": json.dumps(keys), "DOWNLOAD": str(folder / "download")},
        cwd=folder,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with reaped(process.pid):
        try:
            wait_until(lambda: _answers(port))
            yield port, keys
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("is_simulated", [False, True])
def test_a_file_that_can_only_be_read_arrives_whole(server: tuple[int, dict[str, Any]], is_simulated: bool) -> None:
    port, keys = server
    response = get(port, "/reader", marked(keys) if is_simulated else ())
    assert response.body == b"hello world"
    assert ("private, no-store" in str(response.headers)) == is_simulated


@pytest.mark.parametrize("is_simulated", [False, True])
def test_a_file_without_lines_is_not_read_into_memory(server: tuple[int, dict[str, Any]], is_simulated: bool) -> None:
    port, keys = server
    assert len(get(port, "/file", marked(keys) if is_simulated else ()).body) == SIZE
    assert int(get(port, "/memory").body) * 1024 < SIZE
