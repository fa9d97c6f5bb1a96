"""Sentry: a server that records what the SDK sends to it."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAME = "sentry"


class Recorder:
    """The bodies of all requests, as they were sent, without compression."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.port = 0

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.port}/1"

    @property
    def text(self) -> str:
        return b"\n".join(self.bodies).decode("utf-8", "replace")

    def items(self) -> list[tuple[str, Any]]:
        """The items of all envelopes, each with its type."""
        found: list[tuple[str, Any]] = []
        for body in self.bodies:
            rest = body.partition(b"\n")[2]
            while rest.strip():
                line, _, rest = rest.partition(b"\n")
                header = json.loads(line)
                payload, rest = rest[: header["length"]], rest[header["length"] + 1 :]
                is_json = header.get("content_type", "application/json").endswith("json")
                found.append((header["type"], json.loads(payload) if is_json else payload))
        return found


@contextmanager
def recorder() -> Iterator[Recorder]:
    """Run the server."""
    recorded = Recorder()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            encoding = self.headers.get("Content-Encoding")
            recorded.bodies.append(gzip.decompress(body) if encoding == "gzip" else _plain(body, encoding))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorded.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield recorded
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _plain(body: bytes, encoding: str | None) -> bytes:
    if encoding == "br":
        import brotli  # type: ignore[import-untyped]

        return bytes(brotli.decompress(body))
    return body
