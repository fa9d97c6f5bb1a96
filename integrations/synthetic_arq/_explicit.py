"""Pools and workers without patches."""

from __future__ import annotations

from typing import Any

import arq.connections
import arq.worker

from synthetic.integration import always_on, dispatch
from synthetic_arq._headers import Dump, Load, taking
from synthetic_arq._in import admitting, running, starting
from synthetic_arq._out import departing

__all__ = ["SyntheticArqRedis", "SyntheticWorker", "create_pool"]


class SyntheticArqRedis(arq.connections.ArqRedis):
    """A pool whose jobs carry the marker. ``create_pool`` makes one."""

    _dump: Dump | None
    _load: Load | None

    @classmethod
    def over(cls, pool: arq.connections.ArqRedis) -> SyntheticArqRedis:
        """Return a pool that uses the connections and the settings of another pool."""
        connections: Any = pool.connection_pool
        return cls(
            connections,
            job_serializer=pool.job_serializer,
            job_deserializer=pool.job_deserializer,
            default_queue_name=pool.default_queue_name,
            expires_extra_ms=pool.expires_extra_ms,
        )

    async def enqueue_job(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Enqueue a job, with the marker if the present work is simulated. Raises UnverifiedMarker."""
        dispatch(None)  # arq replaces any error of the serializer by its own
        return await super().enqueue_job(function, *args, **kwargs)

    @property
    def job_serializer(self) -> Dump | None:
        """The serializer for a job of the present work."""
        return departing(self._dump)

    @job_serializer.setter
    def job_serializer(self, dump: Dump | None) -> None:
        self._dump = dump

    @property
    def job_deserializer(self) -> Load | None:
        """The deserializer for jobs, which takes the marker out."""
        return taking(self._load)

    @job_deserializer.setter
    def job_deserializer(self, load: Load | None) -> None:
        self._load = load


async def create_pool(*args: Any, **kwargs: Any) -> SyntheticArqRedis:
    """Return a pool whose jobs carry the marker. It takes the arguments of ``arq.create_pool``."""
    pool = await arq.connections.create_pool(*args, **kwargs)
    ours = SyntheticArqRedis.over(pool)
    ours.auto_close_connection_pool, pool.auto_close_connection_pool = pool.auto_close_connection_pool, False
    return ours


class SyntheticWorker(arq.worker.Worker):
    """A worker that runs each job under its verdict. What a job enqueues with ``ctx["redis"]`` carries its marker."""

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
        """Run until told to stop, with no verdict outside of jobs."""
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
