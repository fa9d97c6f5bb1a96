"""The same in monkey-patched programs, where threads and pools are greenlets. Each runs in its own process."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from tests.products.concurrency import RUN
from tests.support.clients import run_script

Keys = dict[str, Any]

PATCH = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}

IMPORTS = """
import json, sys
from importlib import import_module
import synthetic
from synthetic import real, simulated
from tests.products.concurrency import in_a_thread, seen
"""

ALL_HOPS = """
product, *names = sys.argv[1:]
synthetic.instrument(*names)
hops = import_module(f"tests.products.{product}").PATCHED
for scope in [simulated(run="rush-hour"), real()] * 2:
    with scope:
        print(json.dumps({name: hop(seen) for name, hop in hops.items()}))
"""

WORKERS = """
import logging, logging.handlers, queue
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import greenlet

for name in sys.argv[1:]:
    synthetic.instrument(name)
contexts, handled = [], queue.SimpleQueue()
executor, records = ThreadPoolExecutor(1, initializer=lambda: contexts.append(seen())), queue.SimpleQueue()


class Noting(logging.Handler):
    def emit(self, record):
        handled.put(seen())


listener = logging.handlers.QueueListener(records, Noting())
with simulated(run="rush-hour"):
    first = executor.submit(lambda: (seen(), greenlet.getcurrent().parent is not None)).result()
    listener.start()
    pool = ThreadPool(1)
    pooled = pool.apply(seen)
records.put(logging.makeLogRecord({}))
print(json.dumps([contexts, first, executor.submit(seen).result(), handled.get(), pooled, pool.apply(seen)]))
listener.stop()
"""

LATE = """
import sys, warnings
import synthetic
product, *names = sys.argv[1:]
assert {product, "concurrency"} <= set(synthetic.instrument(*names))
assert names or product not in sys.modules
warnings.simplefilter("ignore")  # gevent warns of what was imported before its patches
"""

SUBPROCESSES = """
import subprocess
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

TELL = [sys.executable, "-S", "-c", "import os; print(os.environ.get('BAGGAGE'))"]


def popen():
    with subprocess.Popen(TELL, stdout=subprocess.PIPE, text=True) as process:
        return process.communicate()[0]


def run():
    return subprocess.run(TELL, capture_output=True, text=True).stdout


def check_output():
    return subprocess.check_output(TELL, text=True)


assert subprocess.Popen.__module__ != "subprocess"
hops = import_module(f"tests.products.{product}").PATCHED
for scope in (simulated(run="rush-hour"), real()):
    with scope:
        expected = synthetic.headers().get("baggage", "None")
        given = {way.__name__: way().strip() == expected for way in (popen, run, check_output)}
        jobs = [ThreadPoolExecutor(1).submit(seen).result(), ThreadPool(1).apply(seen)]
        print(json.dumps([given, sorted({hop(seen) for hop in hops.values()}), jobs]))
"""


def found(product: str, script: str, *arguments: str, keys: Keys) -> Any:
    """Return what a monkey-patched program prints. Warnings are errors in it."""
    return json.loads(run_script(PATCH[product] + IMPORTS + script, *arguments, keys=keys))


def all_found(product: str, *names: str, keys: Keys) -> list[dict[str, str]]:
    """Return what each hop reports for simulated work, for real work, and for both again."""
    lines = run_script(PATCH[product] + IMPORTS + ALL_HOPS, product, *names, keys=keys).splitlines()
    return [json.loads(line) for line in lines]


class PatchedContract:
    """A subclass names the ``product``. The tests run with and without the integration of threads, in each order."""

    product: ClassVar[str]
    expected_hops: ClassVar[set[str]]

    @pytest.fixture(params=["{}", "{} concurrency", "concurrency {}"])
    def order(self, request: pytest.FixtureRequest) -> list[str]:
        return str(request.param).format(self.product).split()

    def test_every_hop_carries_a_simulated_verdict_and_no_real_one(self, order: list[str], keys: Keys) -> None:
        simulated, real, *again = all_found(self.product, *order, keys=keys)
        assert self.expected_hops <= simulated.keys()
        assert set(simulated.values()) == {RUN}
        assert set(real.values()) == {"unset"}
        assert again == [simulated, real]

    def test_a_worker_started_by_simulated_work_has_no_verdict(self, order: list[str], keys: Keys) -> None:
        """If threads and pools are instrumented, each job of simulated work carries its verdict to the worker."""
        at_start, first, second, handled, pooled, pooled_again = found(self.product, WORKERS, *order, keys=keys)
        carried = RUN if "concurrency" in order else "unset"
        assert at_start == ["unset"]
        assert first == [carried, True]
        assert pooled == carried
        assert {second, handled, pooled_again} == {"unset"}

    @pytest.mark.parametrize("names", ["{} concurrency", ""])
    def test_monkey_patching_after_instrument_loses_no_verdict(self, names: str, keys: Keys) -> None:
        script = LATE + PATCH[self.product] + IMPORTS + SUBPROCESSES
        simulated, real = run_script(script, self.product, *names.format(self.product).split(), keys=keys).splitlines()
        every = dict.fromkeys(("popen", "run", "check_output"), True)
        assert json.loads(simulated) == [every, [RUN], [RUN, RUN]]
        assert json.loads(real) == [every, ["unset"], ["unset", "unset"]]
