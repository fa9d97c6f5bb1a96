"""Streamed bodies and the end of a response in Django, which it runs when every middleware is done."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from django import VERSION
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from opentelemetry import context

import synthetic
import synthetic.wsgi
from synthetic.integration import current_verdict
from tests.products.django import OURS, asgi_application, wsgi_application
from tests.products.django.rides import aget, get, in_force, noted, opened
from tests.support.markers import marked

Keys = dict[str, Any]


@pytest.fixture(autouse=True)
def django(keys: Keys) -> Iterator[None]:
    synthetic.configure(keys=keys)
    with in_force():
        yield


either = pytest.mark.parametrize("get", [get, aget], ids=["WSGI", "ASGI"])


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.mark.parametrize("simulated", [True, False])
def test_a_stream_leaves_no_verdict_in_force_between_its_steps(client: Client, keys: Keys, simulated: bool) -> None:
    response = client.get("/steps", headers=dict(marked(keys)) if simulated else {})
    for _ in response.streaming_content:
        assert (current_verdict(), context.get_current()) == (None, {})
    response.close()
    assert noted == [simulated] * 4


@pytest.mark.parametrize("simulated", [True, False])
def test_an_async_stream_leaves_no_verdict_in_force_between_its_steps(keys: Keys, simulated: bool) -> None:
    async def call() -> None:
        response = await AsyncClient().get("/async-steps", headers=dict(marked(keys)) if simulated else {})
        async for _ in response.streaming_content:
            assert (current_verdict(), context.get_current()) == (None, {})

    asyncio.run(call())
    assert noted == [simulated] * 4


@pytest.mark.parametrize("simulated", [True, False])
def test_an_abandoned_stream_ends_under_its_verdict(client: Client, keys: Keys, simulated: bool) -> None:
    response = client.get("/steps", headers=dict(marked(keys)) if simulated else {})
    next(iter(response.streaming_content))
    response.close()
    assert noted == [simulated, simulated]
    assert list(response.streaming_content) == []


@pytest.mark.skipif(VERSION < (5,), reason="Django sees a client leave since 5.0")
@pytest.mark.parametrize("simulated", [True, False])
def test_an_async_stream_whose_client_leaves_between_steps_ends_under_its_verdict(keys: Keys, simulated: bool) -> None:
    asyncio.run(_left_between_steps(asgi_application(OURS), marked(keys) if simulated else []))
    assert noted == [simulated, simulated]


async def _left_between_steps(app: Any, headers: Any) -> None:
    """The client leaves when the first step is on its way, and the application waits for it to be taken."""
    has_left = asyncio.Event()
    requests = iter([{"type": "http.request"}])

    async def receive() -> Any:
        for message in requests:
            return message
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message.get("body"):
            has_left.set()
            await asyncio.Event().wait()

    await app(scope("/async-steps", headers), receive, send)
    await asyncio.wait_for(_two_notes(), 60)
    assert (current_verdict(), context.get_current()) == (None, {})


async def _two_notes() -> None:
    while len(noted) < 2:
        await asyncio.sleep(0)


def scope(path: str, headers: Any) -> Any:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return {"type": "http", "method": "GET", "path": path, "headers": raw, "query_string": b""}


def test_a_view_that_is_cancelled_leaves_nothing_behind(keys: Keys) -> None:
    async def call() -> None:
        task = asyncio.ensure_future(AsyncClient().get("/endless", headers=dict(marked(keys))))
        while not noted:
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert (current_verdict(), context.get_current()) == (None, {})

    asyncio.run(call())
    assert noted == ["started", True]


@pytest.mark.parametrize("simulated", [True, False])
def test_a_file_arrives_whole_and_the_server_sends_a_real_one_itself(keys: Keys, simulated: bool) -> None:
    body = opened(wsgi_application(OURS), "/file", marked(keys) if simulated else ())
    assert isinstance(body, FileWrapper) is not simulated
    noted.clear()
    assert b"".join(body) == b"x" * 10_000
    body.close()
    if simulated:
        assert set(noted) == {True}


def test_a_verdict_is_spent_when_the_response_is_closed_and_not_while_it_streams(keys: Keys) -> None:
    during: list[Any] = []

    def each() -> Iterator[bytes]:
        verdict = current_verdict()
        during.append((verdict, verdict.is_simulated))  # type: ignore[union-attr, unused-ignore]
        yield b"step"

    with override_settings(ROOT_URLCONF=_Urls(path("here", lambda request: StreamingHttpResponse(each())))):
        response = get("/here", marked(keys))
        list(response.streaming_content)
        response.close()
    ((verdict, was_simulated),) = during
    assert was_simulated
    assert not verdict.is_simulated


class _Urls:
    def __init__(self, *patterns: Any) -> None:
        self.urlpatterns = list(patterns)


@pytest.mark.parametrize("path", ["/page", "/steps"])
def test_a_response_that_is_closed_is_freed_at_once(keys: Keys, path: str) -> None:
    app = wsgi_application(OURS)
    gc.collect()
    gc.disable()
    try:
        for headers in ([], marked(keys)):
            body = opened(app, path, headers)
            list(body)
            assert "close" in vars(body)
            body.close()
            assert "close" not in vars(body)
            response = weakref.ref(body)
            del body
            assert response() is None
    finally:
        gc.enable()
