"""Any order of starting workers, putting jobs, taking them and ending work, with threads and with tasks.

No real job is skipped in silence, and no simulated job is executed as real. A job that a worker takes which belongs to
no work that goes on is handled exactly as whoever put it there would have.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

import synthetic
from synthetic import UnverifiedMarker, carry_queue, guard, real, simulated
from tests.support.keys import shared_key

KINDS: dict[str, Callable[[], Any]] = {
    "simulated": lambda: simulated(run="rush-hour"),
    "real": real,
    "undecided": nullcontext,
}

executed: list[str] = []


@guard("payment")
def charge(who: str) -> None:
    executed.append(who)


def outcome(who: str) -> str:
    """Handle a job; say what became of it."""
    before = len(executed)
    try:
        charge(who)
    except UnverifiedMarker:
        return "refused"
    return "executed" if len(executed) > before else "skipped"


class ThreadActor:
    """A thread that does what it is told, one thing after the other."""

    def __init__(self) -> None:
        self._commands: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _work(self) -> None:
        for command in iter(self._commands.get, None):
            self._answers.put(command())

    def do(self, command: Callable[[], Any]) -> Any:
        self._commands.put(command)
        return self._answers.get(timeout=60)

    def stop(self) -> None:
        self._commands.put(None)
        self._thread.join()


class Threads:
    """Actors that are threads, and a queue for them."""

    def __init__(self) -> None:
        self.jobs: Any = carry_queue(queue.Queue())
        self.actors: list[ThreadActor] = []

    def new(self, starter: ThreadActor | None) -> ThreadActor:
        actor = ThreadActor()
        (starter.do if starter else lambda start: start())(actor.start)
        self.actors.append(actor)
        return actor

    def put(self, actor: ThreadActor, who: str) -> None:
        actor.do(lambda: self.jobs.put(who))

    def take(self, actor: ThreadActor) -> str:
        def take() -> str:
            return outcome(self.jobs.get())

        return actor.do(take)  # type: ignore[no-any-return]

    def find_nothing(self, actor: ThreadActor) -> None:
        def poll() -> None:
            with suppress(queue.Empty):
                self.jobs.get_nowait()

        actor.do(poll)

    def clear(self) -> None:
        self.jobs.queue.clear()

    def close(self) -> None:
        for actor in self.actors:
            actor.stop()


class TaskActor:
    """A task that does what it is told."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._commands: asyncio.Queue[Any] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = self._loop.create_task(self._work())

    async def _work(self) -> None:
        while (given := await self._commands.get()) is not None:
            command, answer = given
            found = command()
            answer.set_result(await found if asyncio.iscoroutine(found) else found)

    def do(self, command: Callable[[], Any]) -> Any:
        answer = self._loop.create_future()
        self._commands.put_nowait((command, answer))
        return self._loop.run_until_complete(answer)

    def stop(self) -> None:
        self._commands.put_nowait(None)
        assert self.task is not None
        self._loop.run_until_complete(self.task)


class Tasks:
    """Actors that are tasks of one loop, and a queue for them. A worker waits for its job in a task of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self.jobs: Any = carry_queue(asyncio.Queue())
        self.actors: list[TaskActor] = []

    def new(self, starter: TaskActor | None) -> TaskActor:
        actor = TaskActor(self._loop)
        if starter is None:
            self._loop.call_soon(actor.start)
            self._loop.run_until_complete(asyncio.sleep(0))
        else:
            starter.do(actor.start)
        self.actors.append(actor)
        return actor

    def put(self, actor: TaskActor, who: str) -> None:
        actor.do(lambda: self.jobs.put_nowait(who))

    def take(self, actor: TaskActor) -> str:
        async def take() -> str:
            return outcome(await asyncio.wait_for(asyncio.ensure_future(self.jobs.get()), 60))

        return actor.do(take)  # type: ignore[no-any-return]

    def find_nothing(self, actor: TaskActor) -> None:
        async def poll() -> None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.jobs.get(), 0.0001)

        actor.do(poll)

    def clear(self) -> None:
        self.jobs._queue.clear()

    def close(self) -> None:
        for actor in self.actors:
            actor.stop()
        self._loop.close()


def machine(make: Callable[[], Any], are_tasks: bool) -> type[RuleBasedStateMachine]:
    class Machine(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            self.world = make()
            self.works: list[tuple[Any, Any, str]] = []
            self.workers: list[tuple[Any, Any]] = []
            self.waiting: list[str] = []

        @rule(kind=st.sampled_from(sorted(KINDS)))
        def begin_work(self, kind: str) -> None:
            actor, scope = self.world.new(None), KINDS[kind]()
            actor.do(scope.__enter__)
            self.works.append((actor, scope, kind))

        @precondition(lambda self: self.works)
        @rule(which=st.integers(0, 99))
        def end_work(self, which: int) -> None:
            actor, scope, _ = self.works.pop(which % len(self.works))
            actor.do(lambda: scope.__exit__(None, None, None))

        @precondition(lambda self: len(self.workers) < 6)
        @rule(which=st.integers(0, 99), by_nobody=st.booleans())
        def start_worker(self, which: int, by_nobody: bool) -> None:
            starter = None if by_nobody or not self.works else self.works[which % len(self.works)]
            self.workers.append((self.world.new(starter and starter[0]), starter))

        @precondition(lambda self: self.works)
        @rule(which=st.integers(0, 99))
        def put(self, which: int) -> None:
            actor, _, kind = self.works[which % len(self.works)]
            self.world.put(actor, "job")  # always the same object
            self.waiting.append(kind)

        @precondition(lambda self: self.waiting)
        @rule()
        def clear(self) -> None:
            self.world.clear()
            self.waiting.clear()

        @precondition(lambda self: self.workers and not self.waiting)
        @rule(which=st.integers(0, 99))
        def find_nothing(self, which: int) -> None:
            self.world.find_nothing(self.workers[which % len(self.workers)][0])

        @precondition(lambda self: self.workers and self.waiting)
        @rule(which=st.integers(0, 99))
        def take(self, which: int) -> None:
            worker, starter = self.workers[which % len(self.workers)]
            who, became = self.waiting.pop(0), self.world.take(worker)
            wanted = "skipped" if who == "simulated" else "executed"
            assert became in (wanted, "refused")
            kind = starter[2] if starter else "undecided"
            knows = {
                "undecided": True,
                "simulated": starter not in self.works,
                "real": who != "simulated" or not are_tasks,
            }
            assert became == wanted or not knows[kind]

        def teardown(self) -> None:
            self.world.close()

    return Machine


@pytest.mark.parametrize("make", [Threads, Tasks])
def test_each_job_is_handled_as_whoever_put_it_there_would_have(make: Callable[[], Any], long_run: bool) -> None:
    synthetic.configure(keys=shared_key())
    synthetic.instrument("concurrency")
    try:
        run_state_machine_as_test(  # type: ignore[no-untyped-call,unused-ignore]
            machine(make, make is Tasks),
            settings=settings(
                max_examples=2000 if long_run else 40,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        synthetic.uninstrument("concurrency")
