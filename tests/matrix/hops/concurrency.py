"""Threads, executors, processes and subprocesses: the verdict on the other side."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from typing import Any

import synthetic
from tests.matrix.cases import Case, Hop, seen
from tests.products.concurrency import Overriding, contrib, in_a_thread, timer
from tests.support.servers import environment

_IN_ONE_PROGRAM = ("real", "simulated", "forged")
"""The other cases need a header, and these hops have none."""


def _hop(
    name: str,
    other_side: Callable[[Any], str],
    *,
    pool: Callable[[], AbstractContextManager[Any]] = nullcontext,
    is_instrumented: bool = False,
) -> Hop:
    """A hop to the worker of ``pool``. All cases share it, so that each meets what the last one left."""

    def pass_on(case: Case, worker: Any) -> str:
        synthetic.instrument("concurrency")
        with case.work():
            return other_side(worker)

    telemetry = {"contrib": contrib} if is_instrumented else {}
    return Hop(name, "concurrency", pass_on, telemetry, pool, _IN_ONE_PROGRAM)


def _in_thread(make: Callable[..., threading.Thread]) -> Callable[[Any], str]:
    return lambda _: str(in_a_thread(seen, make))


def _by_submit(pool: Any) -> str:
    return str(pool.submit(seen).result())


def _by_apply(pool: Any) -> str:
    return str(pool.apply(seen))


def _in_executor(pool: ThreadPoolExecutor) -> str:
    async def main() -> str:
        return await asyncio.get_running_loop().run_in_executor(pool, seen)

    return asyncio.run(main())


# Processes


def _tell(connection: Any) -> None:
    connection.send(seen())


def _in_process(method: str) -> Callable[[Any], str]:
    def other_side(_: Any) -> str:
        context = get_context(method)
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=_tell, args=(sending,))  # type: ignore[attr-defined]
        process.start()
        sending.close()
        try:
            return str(receiving.recv())
        finally:
            process.join()

    return other_side


def _processes(method: str) -> Callable[[], ProcessPoolExecutor]:
    return lambda: ProcessPoolExecutor(1, get_context(method))


# Subprocesses

_CHILD = """
import synthetic
from tests.matrix.cases import seen
synthetic.instrument("concurrency")
print(seen())
"""
_COMMAND = (sys.executable, "-c", _CHILD)


def _env(case: Case, baggage: str | None) -> dict[str, str]:
    given = {} if baggage is None else {"BAGGAGE": baggage}
    return {**environment(), "SYNTHETIC_KEYS": json.dumps(case.keys), **given}


def _in_subprocess(start: Callable[[dict[str, str]], bytes]) -> Callable[[Case, Any], str]:
    def pass_on(case: Case, _: Any) -> str:
        synthetic.instrument("concurrency")
        try:
            with case.work() as baggage:
                return start(_env(case, baggage)).decode().strip()
        except synthetic.UnverifiedMarker:
            return "refused"

    return pass_on


def _run(env: dict[str, str]) -> bytes:
    return subprocess.check_output(_COMMAND, env=env)


def _run_by_asyncio(env: dict[str, str]) -> bytes:
    async def main() -> bytes:
        child = await asyncio.create_subprocess_exec(*_COMMAND, env=env, stdout=asyncio.subprocess.PIPE)
        printed, _ = await child.communicate()
        return printed

    return asyncio.run(main())


def _started(case: Case, _: Any) -> str:
    """Start the program with a BAGGAGE variable that this library did not write."""
    baggage = case.joined()
    env = _env(case, baggage)
    reading, writing = os.pipe()
    pid = os.posix_spawn(sys.executable, _COMMAND, env, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
    os.close(writing)
    with os.fdopen(reading) as printed:
        told = printed.read().strip()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return told


HOPS: list[Hop] = [
    _hop("thread", _in_thread(threading.Thread), is_instrumented=True),
    _hop("thread, with a run of its own", _in_thread(Overriding), is_instrumented=True),
    _hop("timer", _in_thread(timer), is_instrumented=True),
    _hop("thread pool", _by_submit, pool=lambda: ThreadPoolExecutor(1), is_instrumented=True),
    _hop("run_in_executor", _in_executor, pool=lambda: ThreadPoolExecutor(1), is_instrumented=True),
    _hop("multiprocessing, pool of threads", _by_apply, pool=lambda: ThreadPool(1), is_instrumented=True),
    _hop("process, fork", _in_process("fork")),
    _hop("process, spawn", _in_process("spawn")),
    _hop("process, forkserver", _in_process("forkserver")),
    _hop("process pool, fork", _by_submit, pool=_processes("fork")),
    _hop("process pool, spawn", _by_submit, pool=_processes("spawn")),
    _hop("multiprocessing, pool of processes", _by_apply, pool=lambda: get_context("fork").Pool(1)),
    Hop("subprocess", "concurrency", _in_subprocess(_run)),
    Hop("subprocess, asyncio", "concurrency", _in_subprocess(_run_by_asyncio)),
    Hop("a program started with BAGGAGE", "concurrency", _started),
]
