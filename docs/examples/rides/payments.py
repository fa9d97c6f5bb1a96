"""The payments service: a WSGI application that writes charges into its own books."""

from __future__ import annotations

import json
import sqlite3
import threading
from typing import Any

import serving
import synthetic
from synthetic.wsgi import SyntheticTrafficMiddleware

synthetic.configure(service="payments")
synthetic.instrument()

books = sqlite3.connect("payments.db", check_same_thread=False, isolation_level=None)
books_lock = threading.Lock()


def pretend_to_charge(ride: str, cents: int) -> str:
    return f"pretended-{cents}"


@synthetic.guard("payment", instead=pretend_to_charge)
def charge(ride: str, cents: int) -> str:
    with books_lock:
        row = books.execute("INSERT INTO charges VALUES (?, ?)", (ride, cents))
    return f"charge-{row.lastrowid}"


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    order = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    try:
        status, answer = "201 Created", {"receipt": charge(order["ride"], order["cents"])}
    except synthetic.EffectRefused as error:
        status, answer = "403 Forbidden", {"title": "Forbidden", "effect": error.effect}
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def main() -> None:
    books.execute("PRAGMA journal_mode = WAL")
    books.execute("PRAGMA synchronous = NORMAL")
    books.execute("CREATE TABLE IF NOT EXISTS charges (ride TEXT, cents INTEGER)")
    serving.serve_wsgi(SyntheticTrafficMiddleware(app))


if __name__ == "__main__":
    main()
