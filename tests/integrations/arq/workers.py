"""arq pools in the tests, and workers on them, each on the loop of a thread."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any
from uuid import uuid4

import arq
from arq.connections import ArqRedis, RedisSettings
from arq.constants import job_key_prefix
from arq.jobs import Job
from arq.worker import Worker, func

import synthetic
from synthetic_arq import SyntheticWorker
from tests.contract.messages import Seen, eventually
from tests.support.asyncio_thread import Loop

Scenario = Callable[["Rides"], Awaitable[None]]
CreatePool = Callable[..., Awaitable[ArqRedis]]


class Rides:
    """A pool, a queue, and what has become of the jobs in it. Knows nothing of the library but ``create_pool``."""

    def __init__(self, port: int, create_pool: CreatePool = arq.create_pool) -> None:
        self.settings = RedisSettings(port=port, conn_timeout=60)
        self.queue_name = f"rides-{uuid4().hex}"
        self.seen: dict[str, Seen] = {}
        self._create_pool = create_pool

    async def open(self, **options: Any) -> None:
        self.pool = await self._create_pool(self.settings, default_queue_name=self.queue_name, **options)

    async def note(self, ctx: Any, name: str) -> str:
        await self.tell(ctx, name)
        return name

    async def tell(self, ctx: Any, name: str) -> None:
        """Tell what the work at hand is, under this name."""
        raw = await self.pool.get(f"{job_key_prefix}{ctx['job_id']}")
        self.seen[name] = Seen.now(name, pickle.loads(raw).get("baggage"))

    async def enqueue_raw(self, name: str, headers: list[str], function: str = "note") -> None:
        """Put a job into the queue as a stranger does, below of what enqueues."""
        data = {"t": None, "f": function, "a": (name,), "k": {}, "et": 1}
        raw = pickle.dumps({**data, "baggage": ",".join(headers)} if headers else data)
        await self.pool.psetex(f"{job_key_prefix}{name}", 100_000, raw)
        await self.pool.zadd(self.queue_name, {name: 1})

    def worker(self, worker_class: type[Worker] = Worker, *functions: Any, **options: Any) -> Worker:
        return worker_class(
            [func(self.note, name="note"), *functions],  # type: ignore[arg-type]
            redis_settings=self.settings,
            queue_name=self.queue_name,
            handle_signals=False,
            poll_delay=0.005,
            **options,
        )

    async def run(self, worker: Worker) -> None:
        """Have a worker do what is in the queue, until nothing is."""
        worker.burst = True
        try:
            await worker.async_run()
        finally:
            await worker.close()

    def job(self, job_id: str) -> Job:
        return Job(job_id, self.pool, _queue_name=self.queue_name, _deserializer=self.pool.job_deserializer)

    async def reason(self, job_id: str) -> str | None:
        """Why arq says that a job failed, or None."""
        info = await self.job(job_id).result_info()
        if info is None:
            return None
        assert not info.success
        assert isinstance(info.result, synthetic.MessageRefused)
        return info.result.reason.value


class ExplicitRides(Rides):
    """With the pool and the worker that need no patches."""

    def worker(self, worker_class: type[Worker] = SyntheticWorker, *functions: Any, **options: Any) -> Worker:
        return super().worker(SyntheticWorker, *functions, **options)


class ThreadedRides(Rides):
    """The same, for a test that is no coroutine: with a worker, on a loop in another thread."""

    def __init__(self, port: int, loop: Loop, create_pool: CreatePool = arq.create_pool) -> None:
        super().__init__(port, create_pool)
        self.loop = loop
        self.own: str | None = None

    def dump(self, data: dict[str, Any]) -> bytes:
        """A serializer of the caller's own, which adds entries of his own."""
        if self.own is not None:
            data = {**data, "baggage": f"{data['baggage']},{self.own}"}
        return pickle.dumps(data)

    def send(self, name: str, baggage: str | None = None) -> None:
        self.own = baggage
        self.loop.run(self.pool.enqueue_job("note", name, _job_id=name))
        self.own = None

    def send_raw(self, name: str, baggage: list[str]) -> None:
        self.loop.run(self.enqueue_raw(name, baggage))

    def handled(self, name: str) -> Seen:
        seen: Seen = eventually(lambda: self.seen.get(name))
        return seen

    def refused(self, name: str) -> str:
        reason: str = eventually(lambda: self.loop.run(self.reason(name)))
        assert name not in self.seen
        return reason


@contextmanager
def working(
    port: int, create_pool: CreatePool = arq.create_pool, worker_class: type[Worker] = Worker
) -> Iterator[ThreadedRides]:
    """A queue with a worker, until the block ends."""
    loop = Loop()
    rides = ThreadedRides(port, loop, create_pool)
    try:
        loop.run(rides.open(job_serializer=rides.dump))

        async def start() -> Worker:
            worker = rides.worker(worker_class)
            worker.main_task = asyncio.create_task(worker.main())
            return worker

        worker = Context().run(loop.run, start())
        eventually(lambda: worker.ctx.get("redis"))
        yield rides
        loop.run(_stop(worker))
        loop.run(rides.pool.connection_pool.disconnect())
    finally:
        loop.close()


async def _stop(worker: Worker) -> None:
    assert worker.main_task is not None
    worker.burst = True  # it ends when there is nothing left to do
    await worker.pool.delete(worker.queue_name)
    await worker.main_task
    await worker.close()


def a_name() -> str:
    return uuid4().hex


async def once_each(enqueue: Callable[[str], Awaitable[Any]]) -> tuple[str, str]:
    """Enqueue in simulated work, and in real work; returns both names."""
    simulated, real = a_name(), a_name()
    with synthetic.simulated(run="peak"):
        await enqueue(simulated)
    with synthetic.real():
        await enqueue(real)
    return simulated, real


def runs(rides: Rides, *names: str) -> list[str | None]:
    """The runs that jobs have seen, None for real ones."""
    assert all(rides.seen[name].explicit for name in names)
    return [rides.seen[name].run for name in names]
