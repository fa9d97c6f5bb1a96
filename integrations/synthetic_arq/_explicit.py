"""The way without patches: a pool that enqueues, and a worker that runs."""

from __future__ import annotations

from typing import Any

import arq.connections
import arq.worker

from synthetic._egress import dispatch
from synthetic._patch import always_on
from synthetic_arq._running import admitting, running, starting
from synthetic_arq._wire import Dump, Load, departing, taking

__all__ = ["SyntheticArqRedis", "SyntheticWorker", "create_pool"]


class SyntheticArqRedis(arq.connections.ArqRedis):
    """A pool whose jobs carry the marker; ``create_pool`` makes one."""

    _dump: Dump | None
    _load: Load | None

    @classmethod
    def over(cls, pool: arq.connections.ArqRedis) -> SyntheticArqRedis:
        """Return one that uses the connections and the settings of another pool."""
        connections: Any = pool.connection_pool
        return cls(
            connections,
            job_serializer=pool.job_serializer,
            job_deserializer=pool.job_deserializer,
            default_queue_name=pool.default_queue_name,
            expires_extra_ms=pool.expires_extra_ms,
        )

    async def enqueue_job(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Enqueue a job, with the marker if the work at hand is simulated. Raises UnverifiedMarker."""
        dispatch(None)  # arq makes any error while serializing one of its own
        return await super().enqueue_job(function, *args, **kwargs)

    @property
    def job_serializer(self) -> Dump | None:
        """The serializer for a job of the work at hand."""
        return departing(self._dump)

    @job_serializer.setter
    def job_serializer(self, dump: Dump | None) -> None:
        self._dump = dump

    @property
    def job_deserializer(self) -> Load | None:
        """The deserializer for jobs, without what is ours."""
        return taking(self._load)

    @job_deserializer.setter
    def job_deserializer(self, load: Load | None) -> None:
        self._load = load


async def create_pool(*args: Any, **kwargs: Any) -> SyntheticArqRedis:
    """Return a pool whose jobs carry the marker; the arguments are those of ``arq.create_pool``."""
    pool = await arq.connections.create_pool(*args, **kwargs)
    ours = SyntheticArqRedis.over(pool)
    ours.auto_close_connection_pool, pool.auto_close_connection_pool = pool.auto_close_connection_pool, False
    return ours


class SyntheticWorker(arq.worker.Worker):
    """A worker that runs each job under the verdict on it. What a job enqueues with ``ctx["redis"]`` carries it on."""

    _load: Load | None

    run_job: Any = running(arq.worker.Worker.run_job, always_on)

    @property
    def job_deserializer(self) -> Load | None:
        """The deserializer, which admits the job that is about to run."""
        return admitting(self._load)

    @job_deserializer.setter
    def job_deserializer(self, load: Load | None) -> None:
        self._load = load

    async def main(self) -> None:
        """Run until told to stop, with nothing decided but in jobs."""
        pool: Any = self._pool
        if pool is None:
            self._pool = await create_pool(
                self.redis_settings,
                job_deserializer=self._load,
                job_serializer=self.job_serializer,
                default_queue_name=self.queue_name,
                expires_extra_ms=self.expires_extra_ms,
            )
        elif not isinstance(pool, SyntheticArqRedis):
            self._pool = SyntheticArqRedis.over(pool)
        await _main(self)


_main: Any = starting(arq.worker.Worker.main, always_on)
