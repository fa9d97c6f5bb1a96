"""Once: the actors of a file in a test, against an application of the same process or a server."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from gevent import monkey
from locust import FastHttpUser, HttpUser, SequentialTaskSet, TaskSet, task
from starlette.testclient import TestClient

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic.wsgi import SyntheticTrafficMiddleware as WSGIMiddleware
from synthetic_locust import journey, step
from synthetic_locust.testing import JourneyFailed, once
from tests.products.locust import service
from tests.products.locust.rides import Driver, Rider
from tests.products.locust.runs import Service


@pytest.fixture(autouse=True)
def _behaviour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "behaviour", dict(service.behaviour))
    monkeypatch.setattr(service, "sink", {"marked": 0, "unmarked": 0, "last": 0.0})
    monkeypatch.setattr(service, "actors", set())


def test_the_process_is_not_patched() -> None:
    assert not monkey.is_module_patched("threading")
    assert not monkey.is_module_patched("socket")


def test_riders_and_drivers_meet_in_an_asgi_application() -> None:
    done = once(Rider, Driver, app=service.app)
    assert done["ride"] == 1
    assert done["drive"] >= 1
    assert service.sink["unmarked"] == 0
    assert service.actors == {"rider-0-1", "driver-0-1"}


def test_a_failed_journey_fails_the_test_at_once() -> None:
    service.behaviour["finish"] = 502
    begun = time.monotonic()
    with pytest.raises(JourneyFailed, match=r"^drive at finish: HTTP 502$") as raised:
        once(Rider, Driver, app=service.app)
    assert raised.value.ended.step == "finish"
    assert time.monotonic() - begun < 15  # and not the 20 seconds of the rider's deadline
    assert not [thread for thread in threading.enumerate() if "_act" in thread.name]


@pytest.mark.parametrize("client", [HttpUser, FastHttpUser])
def test_an_application_without_the_middleware_fails_the_test(client: Any) -> None:
    class Visitor(client):  # type: ignore[misc]
        @task
        def look(self) -> None:
            self.client.get("/quote")

    with pytest.raises(JourneyFailed, match=r"GET /quote \(.*\) at -: was executed as real: its service"):
        once(Visitor, app=service.application)


@pytest.mark.parametrize("client", [HttpUser, FastHttpUser])
def test_a_request_that_is_declared_real_needs_no_acknowledgement(client: Any) -> None:
    class Visitor(client):  # type: ignore[misc]
        @task
        def look(self) -> None:
            with synthetic.real():
                self.client.get("/quote")

    once(Visitor, app=service.application)
    assert service.sink["unmarked"] == 1


def test_a_server_is_called_by_its_url(own_service: Service) -> None:
    from tests.products.locust.runs import KEYS

    with synthetic.configured(keys=KEYS, environment="staging"):
        assert once(Rider, Driver, url=own_service.url)["ride"] == 1
    sink = own_service.sink()
    assert (sink["unmarked"], sink["runs"]) == (0, ["once"])


def test_a_wsgi_application_is_served_too() -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append((environ["PATH_INFO"], synthetic.current()))
        start_response("200 OK", [("content-type", "application/json")])
        return [b"{}"]

    class Visitor(HttpUser):
        @task
        @journey("visit")
        def visit(self) -> None:
            with step("look"):
                self.client.get("/a").json()

    assert once(Visitor, app=WSGIMiddleware(app)) == {"visit": 1}
    ((path, marker),) = seen
    assert (path, marker.run, marker.kind, marker.actor) == ("/a", "once", "test", "visitor-0-1")


async def _plain(scope: Any, receive: Any, send: Any) -> None:
    status = 500 if scope["path"] == "/broken" else 200
    _paths.append(scope["path"])
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


_paths: list[str] = []
PLAIN = SyntheticTrafficMiddleware(_plain)


def test_each_task_is_done_once_in_its_order_also_those_of_task_sets() -> None:
    class Inner(SequentialTaskSet):
        @task
        def third(self) -> None:
            self.client.get("/3")

        @task
        def fourth(self) -> None:
            self.client.get("/4")
            self.interrupt()

    class Visitor(FastHttpUser):
        def on_start(self) -> None:
            self.client.get("/start")

        def on_stop(self) -> None:
            self.client.get("/stop")

        @task(5)
        def first(self) -> None:
            self.client.get("/1")

        @task
        def second(self) -> None:
            self.client.get("/2")

        tasks = [Inner]  # noqa: RUF012 - as in Locust's documentation

    _paths.clear()
    assert once(Visitor, app=PLAIN) == {}
    assert _paths == ["/start", "/3", "/4", "/1", "/2", "/stop"]


def test_an_error_in_a_task_is_raised_as_it_is() -> None:
    class Visitor(HttpUser):
        @task
        class Set(TaskSet):
            @task
            def fail(self) -> None:
                raise ZeroDivisionError("in the task")

    with pytest.raises(ZeroDivisionError, match="in the task"):
        once(Visitor, app=PLAIN)


def test_a_request_that_fails_outside_of_a_journey_fails_the_test() -> None:
    class Visitor(HttpUser):
        @task
        def look(self) -> None:
            self.client.get("/broken")

    with pytest.raises(JourneyFailed, match="GET /broken at -: HTTP 500"):
        once(Visitor, app=PLAIN)


def test_an_actor_that_is_not_done_in_time_fails_the_test() -> None:
    class Visitor(HttpUser):
        @task
        def wait(self) -> None:
            time.sleep(3)

    with pytest.raises(TimeoutError, match=r"Visitor was not done in 0\.2 seconds"):
        once(Visitor, app=PLAIN, seconds=0.2)


@pytest.mark.parametrize("arguments", [{}, {"app": PLAIN, "url": "http://localhost:1"}])
def test_either_an_application_or_a_url_is_given(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"either app= or url="):
        once(Rider, **arguments)
    with pytest.raises(TypeError, match="needs the classes of the actors"):
        once(app=PLAIN)


def test_other_clients_of_the_application_work_beside_it() -> None:
    once(Rider, Driver, app=service.app)
    assert TestClient(service.guarded).get("/quote").json() == {"cents": 250}


def test_it_works_while_an_event_loop_runs() -> None:
    async def test() -> None:
        assert once(Rider, Driver, app=service.app)["ride"] == 1

    asyncio.run(test())
