"""An application that looks at what the library wraps finds what it would find without it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import dramatiq
import msgspec
import pytest
import redis
import rq
from celery import Celery
from dramatiq.brokers.stub import StubBroker
from rq.job import Job

import synthetic
from synthetic._instrument.patches import Patch
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.keys import entry, mint
from tests.support.switches import instrumented

Keys = dict[str, Any]

PRODUCTS = (
    *("aio_pika", "aiohttp", "aiokafka", "arq", "boto3", "celery", "concurrency", "confluent_kafka", "dramatiq"),
    *("grpc", "http_client", "httpx", "httpx2", "nats", "pika", "requests", "rq", "urllib3"),
)
KINDS: tuple[Callable[[Any], bool], ...] = (
    inspect.iscoroutinefunction,
    asyncio.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)


@pytest.fixture(autouse=True)
def configured(keys: Keys) -> None:
    synthetic.configure(keys=keys)


@pytest.mark.filterwarnings("ignore:'asyncio.iscoroutinefunction':DeprecationWarning")
def test_a_patched_function_is_of_the_same_kind_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[Patch] = []
    put_on = Patch.put_on
    monkeypatch.setattr(Patch, "put_on", lambda patch: (put_on(patch), applied.append(patch)))
    with ExitStack() as on:
        for product in PRODUCTS:
            on.enter_context(instrumented(product))
        assert len(applied) > 50
        for patch in applied:
            before, after = (getattr(one, "__func__", one) for one in (patch._original, patch._ours))
            assert [is_one(before) for is_one in KINDS] == [is_one(after) for is_one in KINDS], patch._name


@pytest.mark.filterwarnings("ignore:'asyncio.iscoroutinefunction':DeprecationWarning")
@pytest.mark.parametrize("simulated", [True, False])
def test_the_send_of_an_application_is_a_coroutine_function(keys: Keys, simulated: bool) -> None:
    found: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.extend((inspect.iscoroutinefunction(send), asyncio.iscoroutinefunction(send)))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        """Send it nowhere."""

    headers = [(b"baggage", entry(mint(keys)).encode())] if simulated else []
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    asyncio.run(SyntheticTrafficMiddleware(app)(scope, receive, send))
    assert found == [True, True]


@pytest.mark.parametrize("work", [synthetic.real, lambda: synthetic.simulated(run="peak")])
def test_the_callbacks_of_an_rq_job_equal_what_was_given(work: Any) -> None:
    given = {f"on_{name}": rq.Callback(print) for name in ("success", "failure", "stopped")}
    with instrumented("rq"), work():
        job = Job.create(print, connection=redis.Redis(port=1), **given)  # type: ignore[arg-type]
    with instrumented("rq"):
        for name in ("success_callback", "failure_callback", "stopped_callback"):
            assert getattr(job, name) == print


class Encoder(dramatiq.Encoder):
    """An encoder that takes no subclass of a built-in type."""

    def encode(self, data: Any) -> bytes:
        return msgspec.json.encode(data)

    def decode(self, data: bytes) -> Any:
        return msgspec.json.decode(data)


@pytest.fixture
def strict() -> Iterator[None]:
    before = dramatiq.get_encoder()
    dramatiq.set_encoder(Encoder())
    yield
    dramatiq.set_encoder(before)


@pytest.mark.usefixtures("strict")
def test_a_marked_dramatiq_message_has_built_in_types_only() -> None:
    broker = StubBroker()
    broker.declare_queue("default")
    message: Any = dramatiq.Message("default", "book", (), {}, {"Baggage": "user=7"})
    with instrumented("dramatiq"), synthetic.simulated(run="peak"):
        broker.enqueue(message)
        sent = msgspec.json.decode(broker.queues["default"].get())
        assert sent["options"]["baggage"] == f"{synthetic.headers()['baggage']},user=7"
    assert message.options == {"Baggage": "user=7"}


@pytest.mark.parametrize("headers", [123, "text", [("a", 1)]])
def test_an_eager_celery_task_takes_odd_headers(headers: Any) -> None:
    app = Celery("odd", broker="memory://", backend="cache+memory://", set_as_current=False)

    @app.task(shared=False)
    def ride() -> str:
        return "done"

    assert ride.apply(headers=headers).get() == "done"
    with instrumented("celery"), synthetic.real():
        assert ride.apply(headers=headers).get() == "done"
