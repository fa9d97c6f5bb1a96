"""An application of this process, served on loopback by a thread."""

from __future__ import annotations

import inspect
import socketserver
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

__all__ = ["served"]

_PATIENCE: Final = 30.0


@contextmanager
def served(app: Any) -> Generator[str, None, None]:
    """Serve an ASGI or WSGI application for the length of a ``with`` block, which gives its URL."""
    with _asgi(app) if _is_asgi(app) else _wsgi(app) as port:
        yield f"http://127.0.0.1:{port}"


def _is_asgi(app: Any) -> bool:
    """Whether ``app`` is an ASGI application: it is called with scope, receive and send."""
    call = app if inspect.isroutine(app) else getattr(app, "__call__", app)  # noqa: B004 - a class may be one, too
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(call):
        return True
    try:
        return len(inspect.signature(app).parameters) == 3
    except (TypeError, ValueError):
        return False


@contextmanager
def _asgi(app: Any) -> Generator[int, None, None]:
    try:
        import uvicorn
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "an ASGI application is served with uvicorn. Install it: pip install uvicorn", name="uvicorn"
        ) from None
    # Its own logging configuration would replace that of the tests.
    config = uvicorn.Config(app, "127.0.0.1", 0, loop="asyncio", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + _PATIENCE
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            server.should_exit = True
            raise RuntimeError("the application did not start; its error was logged")
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(_PATIENCE)


class _Threading(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def _wsgi(app: Any) -> Generator[int, None, None]:
    with make_server("127.0.0.1", 0, app, server_class=_Threading, handler_class=_Silent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(_PATIENCE)
