"""Servers and adapters that keep only the last of two ``baggage`` lines. The doctor names them; no middleware can help.

When a test here fails because both lines arrive, take the product off ``LOSING_LINES``, and off the docs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import serverless_wsgi
from cheroot.wsgi import Server

import synthetic
import synthetic.wsgi
import synthetic_awslambda
from tests.products.awslambda import CONTEXT
from tests.support.keys import entry, mint
from tests.support.wire import get


def application(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"simulated" if synthetic.is_synthetic() else b"real"]


@pytest.fixture
def good(keys: dict[str, Any]) -> str:
    synthetic.configure(keys=keys)
    return entry(mint(keys))


@pytest.fixture
def port(good: str) -> Iterator[int]:
    server = Server(("127.0.0.1", 0), synthetic.wsgi.SyntheticTrafficMiddleware(application))
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server.bind_addr[1]
    server.stop()
    thread.join()


def test_cheroot_loses_a_marker_before_foreign_baggage_and_nothing_else(port: int, good: str) -> None:
    def seen(*lines: str) -> bytes:
        return get(port, "/", [("baggage", line) for line in lines]).body

    assert seen(good) == b"simulated"
    assert seen("user=7", good) == b"simulated"
    assert seen(f"{good},user=7") == b"simulated"
    assert seen(good, "user=7") == b"real"


def event(*lines: str) -> dict[str, Any]:
    return {
        "httpMethod": "GET",
        "path": "/",
        "queryStringParameters": None,
        "body": None,
        "headers": {"Host": "rides.example", "baggage": lines[-1]},
        "multiValueHeaders": {"Host": ["rides.example"], "baggage": list(lines)},
        "requestContext": {"identity": {}},
    }


def test_serverless_wsgi_loses_a_marker_before_foreign_baggage(good: str) -> None:
    app = synthetic.wsgi.SyntheticTrafficMiddleware(application)

    def seen(*lines: str) -> str:
        return str(serverless_wsgi.handle_request(app, event(*lines), CONTEXT)["body"])

    assert (seen("user=7", good), seen(good, "user=7")) == ("simulated", "real")


def test_a_decorated_handler_over_serverless_wsgi_loses_no_marker(good: str) -> None:
    @synthetic_awslambda.admit
    def handler(event: Any, context: Any) -> Any:
        return serverless_wsgi.handle_request(application, event, context)

    def seen(*lines: str) -> str:
        return str(handler(event(*lines), CONTEXT)["body"])

    assert (seen("user=7", good), seen(good, "user=7"), seen("user=7")) == ("simulated", "simulated", "real")
    assert "malformed" in seen("synthetic-traffic=forged", "user=7")
