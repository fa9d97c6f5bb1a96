"""Processes of ``multiprocessing`` run under the verdict of their starter, with each start method."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic import real, simulated
from synthetic._model.reason import Reason
from synthetic._model.verdict import REAL, Received, Unverified
from synthetic._work.carry import Carried
from synthetic._work.issued import Issued
from synthetic._work.state import current_verdict
from tests.integrations.concurrency.marks import FORKS
from tests.products.concurrency import RUN, carried, in_a_thread, seen
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import entry, mint, shared_key
from tests.support.servers import environment

pytestmark = FORKS


METHODS = ["fork", "spawn", "forkserver"]
START = BaseProcess.start


@pytest.fixture(autouse=True)
def instrumented(keys: dict[str, Any], configuration: None) -> Iterator[None]:
    synthetic.configure(keys=keys)
    with carried():
        yield


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> Any:
    return get_context(request.param)


def tell(connection: Any) -> None:
    connection.send((seen(), synthetic.headers()))


def try_to_tell(connection: Any) -> None:
    connection.send(seen())


def tell_from_a_thread(connection: Any) -> None:
    connection.send(in_a_thread())


def tell_from_another_process(connection: Any) -> None:
    process = multiprocessing.Process(target=tell, args=(connection,))
    process.start()
    process.join()


def told(method: Any, target: Any = tell, make: Any = None) -> Any:
    """What a process of its own says; it ends well."""
    receiving, sending = method.Pipe(duplex=False)
    process = (make or method.Process)(target=target, args=(sending,))
    process.start()
    sending.close()
    try:
        return receiving.recv()
    finally:
        process.join()
        assert process.exitcode == 0
        assert "run" not in vars(process)


def test_a_process_has_the_verdict_of_its_starter_and_passes_the_token_on(method: Any) -> None:
    for _ in range(2):
        assert told(method) == ("unset", {})
        with simulated(run=RUN, kind="load", actor="rider-7"):
            assert told(method) == (RUN, synthetic.headers())
            with real():
                assert told(method) == ("unset", {})
        assert told(method) == ("unset", {})


def test_a_process_of_unverified_work_is_unverified(method: Any) -> None:
    with brought_by_opentelemetry(mint(shared_key())):
        assert told(method, try_to_tell) == "unverified: bad-signature"


def tell_at_the_end(connection: Any) -> None:
    Finalize(None, try_to_tell, (connection,), exitpriority=1)


def test_what_a_process_does_at_its_end_has_the_verdict_of_its_starter(method: Any) -> None:
    with simulated(run=RUN):
        assert told(method, tell_at_the_end) == RUN
        with real():
            assert told(method, tell_at_the_end) == "unset"
    with brought_by_opentelemetry(mint(shared_key())):
        assert told(method, tell_at_the_end) == "unverified: bad-signature"


class ForkOverriding(get_context("fork").Process):  # type: ignore[name-defined,misc]
    """A process whose work is its own ``run``."""

    def run(self) -> None:
        self._target(*self._args)


class SpawnOverriding(get_context("spawn").Process):  # type: ignore[name-defined,misc]
    """The same, pickled."""

    def run(self) -> None:
        self._target(*self._args)


@pytest.mark.parametrize(("name", "make"), [("fork", ForkOverriding), ("spawn", SpawnOverriding)])
def test_a_process_with_a_run_of_its_own_has_the_verdict_of_its_starter(name: str, make: Any) -> None:
    with simulated(run=RUN):
        assert told(get_context(name), make=make)[0] == RUN


def test_a_run_set_on_the_process_object_is_called_and_kept() -> None:
    method = get_context("fork")
    receiving, sending = method.Pipe(duplex=False)
    process = method.Process()

    def run() -> None:
        tell(sending)

    process.run = run
    with simulated(run=RUN):
        process.start()
    assert receiving.recv()[0] == RUN
    process.join()
    assert process.run is run


def test_threads_and_processes_of_a_process_have_its_verdict() -> None:
    with simulated(run=RUN):
        assert told(get_context("fork"), tell_from_a_thread) == RUN
        assert told(get_context("fork"), tell_from_another_process)[0] == RUN


def fail() -> None:
    raise SystemExit(7)


def test_exit_codes_are_those_of_the_process(method: Any) -> None:
    with simulated(run=RUN):
        process = method.Process(target=fail)
        process.start()
        process.join()
    assert process.exitcode == 7
    process.close()


def test_an_error_of_pickling_is_the_standard_one_and_leaves_no_trace() -> None:
    process = get_context("spawn").Process(target=lambda: None)
    with simulated(run=RUN), pytest.raises(Exception, match="pickle"):
        process.start()
    assert "run" not in vars(process)


def test_a_process_cannot_be_started_twice(method: Any) -> None:
    with simulated(run=RUN):
        process = method.Process(target=seen)
        process.start()
        with pytest.raises(AssertionError, match="twice"):
            process.start()
        process.join()
    assert (process.exitcode, "run" in vars(process)) == (0, False)


# What serves others


class Pickled:
    """Tells, in the process that sends it, under what it was pickled there."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return str, (seen(),)


def test_the_feeder_thread_of_a_queue_has_no_verdict() -> None:
    queue = get_context("fork").Queue()
    with simulated(run=RUN):
        queue.put(Pickled())
    assert queue.get(timeout=60) == "unset"
    queue.put(Pickled())
    assert queue.get(timeout=60) == "unset"
    queue.close()
    queue.join_thread()


def test_a_manager_started_in_simulated_work_has_no_verdict() -> None:
    with simulated(run=RUN), get_context("fork").Manager() as manager:
        numbers = manager.list([3, 1, 2])
        numbers.sort(key=position)
        assert list(numbers) == [1, 2, 3]


def position(number: int) -> int:
    assert seen() == "unset"
    return number


# A program that is imported anew in its children

PROGRAM = """
import json, multiprocessing, os, sys
import synthetic

synthetic.instrument("concurrency")

def tell(connection):
    marker = synthetic.current()
    connection.send((marker and marker.run, synthetic.headers().get("baggage", "")))

def told(method):
    context = multiprocessing.get_context(method)
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=tell, args=(sending,))
    process.start()
    sending.close()
    found = receiving.recv()
    process.join()
    return found

if __name__ == "__main__":
    synthetic.configure(keys=os.environ.pop("KEYS"))
    found = {}
    for method in ("fork", "spawn", "forkserver"):
        with synthetic.simulated(run="rush-hour"):
            marked = told(method)
            assert marked[1] == synthetic.headers()["baggage"]
        with synthetic.real():
            found[method] = marked[0], told(method)[0]
    print(json.dumps(found))
"""


@pytest.mark.parametrize("started_as", ["nothing", "simulated"])
def test_a_child_without_keys_trusts_its_parent_but_not_the_environment(
    keys: dict[str, Any], tmp_path: Path, started_as: str
) -> None:
    """The children import the program, and so call ``instrument``, with the environment that their parent has."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    variables = environment() | {"KEYS": json.dumps(keys)}
    if started_as == "simulated":
        variables |= {"BAGGAGE": entry(mint(keys, claims={"run": "job"})), "SYNTHETIC_KEYS": json.dumps(keys)}
    done = subprocess.run([sys.executable, str(program)], env=variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {method: [RUN, None] for method in METHODS}


# On and off


def test_uninstrument_leaves_nothing_behind() -> None:
    assert BaseProcess.start is not START
    feeding = Queue._start_thread
    synthetic.uninstrument("concurrency")
    assert BaseProcess.start is START
    assert Queue._start_thread is not feeding
    with simulated(run=RUN):
        assert told(get_context("spawn")) == ("unset", {})


def test_verdicts_survive_pickling_without_the_right_to_sign() -> None:
    with simulated(run=RUN):
        verdict = current_verdict()
        job = pickle.loads(pickle.dumps(Carried(verdict, seen)))
        again = pickle.loads(pickle.dumps(verdict))
        assert isinstance(verdict, Issued)
        assert type(again) is Received
        assert again.token() == verdict.token()
    assert job() == RUN
    assert pickle.loads(pickle.dumps(REAL)) is REAL
    assert pickle.loads(pickle.dumps(Unverified(Reason.HALTED))).reason is Reason.HALTED
