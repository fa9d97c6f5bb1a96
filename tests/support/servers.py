"""Real servers on free ports: uvicorn, wsgiref and waitress in a thread, gunicorn in a process."""

from __future__ import annotations

import io
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from tests.support.reaper import reaped

ROOT = Path(__file__).parents[2]

PATIENCE = 60.0
"""Seconds after which something that never comes is given up: many times what it takes on a machine that is busy."""

KEPT = 600
"""Seconds for which a server keeps a connection that is idle. The few seconds of the products' defaults are not enough:
a client of a busy machine may be that late, and would send into a connection that is being closed.
"""


@contextmanager
def uvicorn_server(
    app: Any, *, http: str = "httptools", loop: str = "asyncio", ws: str = "websockets-sansio", lifespan: str = "on"
) -> Iterator[int]:
    """Serve an ASGI application in a thread; gives the port."""
    import uvicorn

    config = uvicorn.Config(
        app,
        port=0,
        http=http,
        loop=loop,
        ws=ws,
        lifespan=lifespan,
        log_config=None,
        log_level="critical",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=KEPT,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        if not server.started:
            raise RuntimeError("uvicorn did not start")
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


class _Quiet(WSGIRequestHandler):
    """Without its logs. A client that has gone is no error here either (Python 3.10 has no such rule for resets)."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def get_stderr(self) -> Any:
        return io.StringIO()

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()


@contextmanager
def wsgiref_server(app: Any) -> Iterator[int]:
    """Serve a WSGI application with the standard library, one request at a time; gives the port."""
    with WSGIServer(("127.0.0.1", 0), _Quiet) as server:
        server.set_app(app)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def waitress_server(app: Any, *, threads: int = 4) -> Iterator[int]:
    """Serve a WSGI application with waitress; gives the port."""
    import waitress

    logging.getLogger("waitress").setLevel(logging.CRITICAL)
    sockets: dict[int, Any] = {}
    server = waitress.create_server(app, map=sockets, host="127.0.0.1", port=0, threads=threads)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.effective_port
    finally:
        _end_waitress(server, thread, sockets)


def _end_waitress(server: Any, thread: threading.Thread, sockets: dict[int, Any]) -> None:
    # Only its own thread may close what is in its map; its loop ends when nothing is left there.
    def close_connections() -> None:
        for channel in list(server.active_channels.values()):
            channel.handle_close()

    def close_the_rest() -> None:
        for channel in list(sockets.values()):
            channel.close()

    # A client may have its whole response before the thread that wrote it is done. That thread still writes to the
    # trigger: once this is closed, its number may be that of any other file of this process.
    server.trigger.pull_trigger(close_connections)
    server.task_dispatcher.shutdown(timeout=PATIENCE)
    server.trigger.pull_trigger(close_the_rest)
    thread.join()


@contextmanager
def gunicorn_server(
    folder: Path, target: str, variables: Mapping[str, str], *options: str
) -> Iterator[tuple[int, Path]]:
    """Serve ``target``, whose module may stand in ``folder``, with one worker; gives the port and the log's path."""
    quick = ("--workers", "1", "--graceful-timeout", "1", "--keep-alive", str(KEPT), "--log-level", "error")
    with _process(folder, variables, "-m", "gunicorn", "--bind", "fd://FD", *quick, *options, target) as (port, log):
        yield port, log


# The option --fd of uvicorn takes the socket for a Unix one, which costs 40 ms a request: TCP_NODELAY is not set.
_UVICORN = f"""
import socket, sys, uvicorn
quick = {{"access_log": False, "log_level": "critical", "timeout_graceful_shutdown": 1}}
config = uvicorn.Config(sys.argv[2], timeout_keep_alive={KEPT}, **quick)
uvicorn.Server(config).run([socket.socket(fileno=int(sys.argv[1]))])
"""


@contextmanager
def uvicorn_process(folder: Path, target: str, variables: Mapping[str, str]) -> Iterator[int]:
    """Serve ``target`` with uvicorn in a process of its own; gives the port."""
    with _process(folder, variables, "-c", _UVICORN, "FD", target) as (port, _):
        yield port


@contextmanager
def _process(folder: Path, variables: Mapping[str, str], *arguments: str) -> Iterator[tuple[int, Path]]:
    """Run a server on a socket that listens already: its number stands in place of FD. Nobody waits for it to start."""
    log = folder / f"{len(list(folder.iterdir()))}.log"
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, log.open("wb") as output:
        number = listener.fileno()
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, *(argument.replace("FD", str(number)) for argument in arguments)],
            cwd=folder,
            env={**environment(), **variables},
            pass_fds=[number],
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    with reaped(process.pid):
        try:
            yield port, log
        finally:
            process.terminate()
            process.wait(PATIENCE)


def environment() -> dict[str, str]:
    """The variables for a process of the tests: no settings of ours, and ``tests`` can be imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SYNTHETIC_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def wait_until(condition: Callable[[], bool], *, seconds: float = PATIENCE) -> None:
    """Return when ``condition`` holds; TimeoutError where it does not come to hold."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} seconds")
        time.sleep(0.005)
