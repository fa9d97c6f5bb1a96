"""Guards in FastAPI and Starlette applications on a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from synthetic import guard, simulated
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.servers import uvicorn_server
from tests.support.wire import get

fastapi = pytest.importorskip("fastapi")

sent: list[str] = []
threads: list[bool] = []


@guard("notification")
def send_mail(to: str) -> str:
    """Send a mail."""
    threads.append(threading.current_thread() is threading.main_thread())
    sent.append(to)
    return to


@guard("notification", returns="nobody")
async def send_later(to: str) -> str:
    sent.append(to)
    return to


def application() -> Any:
    app = fastapi.FastAPI()

    @app.get("/in-a-thread")
    def in_a_thread(to: str, times: int = 1) -> list[str | None]:
        return [send_mail(to) for _ in range(times)]

    @app.get("/in-the-loop")
    async def in_the_loop(to: str) -> str:
        return await send_later(to)

    @app.get("/of-a-dependency")
    def of_a_dependency(done: str | None = fastapi.Depends(send_mail)) -> str | None:
        return done

    @app.get("/guarded-itself")
    @guard("notification")
    async def guarded_itself(to: str) -> str | None:
        sent.append(to)
        return to

    @app.get("/in-the-background")
    def in_the_background(to: str, tasks: fastapi.BackgroundTasks) -> None:
        tasks.add_task(send_mail, to)
        tasks.add_task(send_later, to)

    return SyntheticTrafficMiddleware(app)


@pytest.fixture
def port(keys: dict[str, Any]) -> Iterator[int]:
    synthetic.configure(keys=keys)
    sent.clear()
    threads.clear()
    with uvicorn_server(application()) as port:
        yield port


def marked() -> list[tuple[str, str]]:
    with simulated(run="rush-hour"):
        return list(synthetic.headers().items())


ROUTES = [
    ("/in-a-thread", ["rider@example.com"], [None]),
    ("/in-the-loop", "rider@example.com", "nobody"),
    ("/of-a-dependency", "rider@example.com", None),
    ("/guarded-itself", "rider@example.com", None),
]


@pytest.mark.parametrize(("path", "real", "skipped"), ROUTES)
def test_a_guarded_route_sends_mail_for_real_requests_only(port: int, path: str, real: Any, skipped: Any) -> None:
    address = f"{path}?to=rider@example.com"
    assert get(port, address).json() == real
    assert sent == ["rider@example.com"]
    assert get(port, address, marked()).json() == skipped
    assert sent == ["rider@example.com"]
    assert get(port, address).json() == real
    assert sent == ["rider@example.com"] * 2


def test_fastapi_reads_the_parameters_of_guarded_functions(port: int) -> None:
    for path in ("/in-a-thread", "/guarded-itself", "/of-a-dependency"):
        assert get(port, path).status == 422
        assert get(port, path, marked()).status == 422
    assert get(port, "/in-a-thread?to=x&times=nine").status == 422
    assert sent == []


def test_a_guarded_dependency_still_runs_in_the_thread_pool(port: int) -> None:
    get(port, "/of-a-dependency?to=rider@example.com")
    assert threads == [False]


def test_background_tasks_of_a_simulated_request_are_guarded(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    sent.clear()
    with uvicorn_server(application()) as port:
        get(port, "/in-the-background?to=simulated@example.com", marked())
        get(port, "/in-the-background?to=rider@example.com")
    # The server has stopped, and so every task has run.
    assert sent == ["rider@example.com"] * 2


def test_skipping_an_endpoint_that_must_not_return_none_fails_with_a_warning(
    keys: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    synthetic.configure(keys=keys)
    app = fastapi.FastAPI()

    @app.get("/")
    @guard("notification")
    async def endpoint() -> str:
        return "sent"

    with uvicorn_server(SyntheticTrafficMiddleware(app)) as port:
        assert get(port, "/").json() == "sent"
        assert get(port, "/", marked()).status == 500
    assert "was skipped for simulated work and returned None, which its annotation excludes" in caplog.text
