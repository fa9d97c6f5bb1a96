"""What several benchmarks need: requests, tokens, and applications that do as little as possible."""

from __future__ import annotations

from typing import Any

ENVIRONMENT = "default"
ISSUER = "synthetic-traffic"
REQUEST_ID = "4bf92f3577b34da6a3ce929d0e0e4736"

HEADERS = (
    ("host", "rides.internal:8000"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("accept", "application/json"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br"),
    ("connection", "keep-alive"),
    ("cookie", "session=8f14e45fceea167a5a36dedd4bea2543"),
    ("x-forwarded-for", "203.0.113.7"),
)
"""Eight headers as a browser behind a proxy sends them; no ``baggage`` among them."""

SENTRY = ",".join(
    (
        "sentry-environment=production",
        "sentry-release=rides%401.24.3%2B7f3c2a9",
        "sentry-public_key=2f9c1e3b7a5d4c60b8e1f2a3d4c5b6a7",
        "sentry-trace_id=771a43a4192642f0b136d5159a501700",
        "sentry-org_id=4507951",
        "sentry-sample_rate=0.25",
        "sentry-transaction=%2Frides%2F%3Aid%2Freceipt%20%28Caf%C3%A9%20Z%C3%BCrich%29",
        "sentry-sample_rand=0.420017",
    )
)
"""What a page that uses Sentry sends with each request: eight members, some of them percent-encoded."""


def with_request_id() -> tuple[tuple[str, str], ...]:
    """As many headers, with an identifier that a proxy has given to the request."""
    return (*HEADERS[:-1], ("x-request-id", REQUEST_ID))


def scope_of(headers: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """The scope that uvicorn makes of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50123),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": "/rides/17",
        "raw_path": b"/rides/17",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "state": {},
    }


def environ_of(headers: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """The environ that a WSGI server makes of a request."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/rides/17",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    return environ | {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}


async def asgi_application(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def receive() -> Any:
    """The end of a request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Any) -> None:
    """Drop what is sent."""


class Body:
    """An iterable with ``close``, as Flask, Django and Pyramid return it."""

    def __init__(self) -> None:
        self._chunks = iter((b"{}",))

    def __iter__(self) -> Any:
        return self._chunks

    def close(self) -> None:
        """Nothing to close."""


def wsgi_application(environ: Any, start_response: Any) -> Any:
    """Answers at once."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return Body()


def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
    """Drop what is sent."""
