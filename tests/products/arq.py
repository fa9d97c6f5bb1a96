"""arq: pools, and workers on them, on the loop of a test or of a thread."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context
from typing import Any

import arq
from arq.connections import ArqRedis, RedisSettings
from arq.constants import job_key_prefix
from arq.jobs import Job
from arq.worker import Worker, func

import synthetic
from synthetic_arq import SyntheticWorker
from synthetic_arq import create_pool as explicit_pool
from tests.contract.messages import Handled, eventually
from tests.support import brokers
from tests.support.asyncio_thread import Loop
from tests.support.servers import PATIENCE
from tests.support.work import new_name

needs = brokers.valkey

Scenario = Callable[["Rides"], Awaitable[None]]
CreatePool = Callable[..., Awaitable[ArqRedis]]


class Rides(Handled):
    """A pool, a queue, and what has become of the jobs in it. Knows nothing of the library but ``create_pool``."""

    def __init__(self, port: int, create_pool: CreatePool = arq.create_pool) -> None:
        super().__init__()
        self.settings = RedisSettings(port=port, conn_timeout=int(PATIENCE))
        self.queue_name = f"rides-{new_name()}"
        self._create_pool = create_pool

    async def open(self, **options: Any) -> None:
        self.pool = await self._create_pool(self.settings, default_queue_name=self.queue_name, **options)

    async def ride(self, ctx: Any, name: str) -> str:
        """The function of the job "note"."""
        await self.tell(ctx, name)
        return name

    async def tell(self, ctx: Any, name: str) -> None:
        """Note under this name what work this is."""
        self.note(name, await self.header_of(ctx["job_id"]))

    async def header_of(self, job_id: str) -> str | None:
        """The ``baggage`` entry that a job was saved with."""
        header: str | None = pickle.loads(await self.pool.get(f"{job_key_prefix}{job_id}")).get("baggage")
        return header

    async def enqueue_raw(self, name: str, headers: list[str], function: str = "note") -> None:
        """Put a job into the queue past every wrapper."""
        data = {"t": None, "f": function, "a": (name,), "k": {}, "et": 1}
        raw = pickle.dumps({**data, "baggage": ",".join(headers)} if headers else data)
        await self.pool.psetex(f"{job_key_prefix}{name}", 100_000, raw)
        await self.pool.zadd(self.queue_name, {name: 1})

    def worker(self, worker_class: type[Worker] = Worker, *functions: Any, **options: Any) -> Worker:
        return worker_class(
            [func(self.ride, name="note"), *functions],  # type: ignore[arg-type]
            redis_settings=self.settings,
            queue_name=self.queue_name,
            handle_signals=False,
            poll_delay=0.005,
            **options,
        )

    async def run(self, worker: Worker) -> None:
        """Have a worker do all that is in the queue."""
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


@asynccontextmanager
async def rides_on(port: int, *, is_patched: bool, **options: Any) -> AsyncIterator[Rides]:
    """A queue that is open: with the library's patches, or with its explicit pool and worker."""
    rides = Rides(port) if is_patched else ExplicitRides(port, explicit_pool)
    await rides.open(**options)
    try:
        yield rides
    finally:
        await rides.pool.connection_pool.disconnect()


class ThreadedRides(Rides):
    """The same on a loop in another thread, for a test that is not asynchronous."""

    def __init__(self, port: int, loop: Loop, create_pool: CreatePool = arq.create_pool) -> None:
        super().__init__(port, create_pool)
        self.loop = loop
        self.own: str | None = None

    def dump(self, data: dict[str, Any]) -> bytes:
        """The caller's serializer, which adds baggage entries."""
        if self.own is not None:
            data = {**data, "baggage": f"{data['baggage']},{self.own}"}
        return pickle.dumps(data)

    def send(self, name: str, baggage: str | None = None) -> None:
        self.own = baggage
        self.loop.run(self.pool.enqueue_job("note", name, _job_id=name))
        self.own = None

    def send_raw(self, name: str, baggage: list[str]) -> None:
        self.loop.run(self.enqueue_raw(name, baggage))

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
