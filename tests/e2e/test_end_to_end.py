"""Real and simulated rides run together through web, thread pool, Celery, Kafka, gRPC and web without a mix-up."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import synthetic
from tests.e2e import store
from tests.support import brokers
from tests.support.keys import entry, mint, shared_key
from tests.support.reaper import reaped
from tests.support.servers import environment, uvicorn_process, wait_until

Keys = dict[str, Any]


SMALL, FULL = 60, 5_000
"""The number of rides of each kind."""


class Company:
    """The processes, and the address of the first service."""

    def __init__(self, url: str, folder: Path, variables: dict[str, str], stack: ExitStack) -> None:
        self.url = url
        self._folder = folder
        self._variables = variables
        self._stack = stack
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self._folder / f"{command[0]}-{len(self._running)}.out").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self._folder,
            env={**environment(), **self._variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self._stack.enter_context(reaped(process.pid))
        self._stack.callback(_end, process)
        self._running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process, so that none of its handlers runs."""
        self._running.remove(process)
        process.send_signal(signal.SIGKILL)

    def wait_for(self, number: int) -> None:
        """Return when this many rides have reached the last hop."""
        try:
            wait_until(lambda: store.arrived() >= number or not self._is_whole(), seconds=60 + number / 20)
        except TimeoutError:
            pass
        if store.arrived() < number:
            pytest.fail(f"{store.arrived()} of {number} arrived\n{self._said()}")

    def _is_whole(self) -> bool:
        return all(process.poll() is None for process in self._running)

    def _said(self) -> str:
        return "\n".join(file.read_text(errors="replace")[-2000:] for file in sorted(self._folder.glob("*.out")))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def company(folder: Path, keys: Keys, rabbitmq_port: int) -> Iterator[Company]:
    with ExitStack() as stack:
        grpc_port, back_port = brokers.free_port(), brokers.free_port()
        variables = {
            "SYNTHETIC_KEYS": json.dumps(keys),
            "SYNTHETIC_INTERNAL_HOSTS": "127.0.0.1",
            "E2E_POSTGRES": stack.enter_context(brokers.postgres()),
            "E2E_KAFKA": stack.enter_context(brokers.kafka_process()),
            "E2E_CELERY": f"amqp://guest:guest@127.0.0.1:{rabbitmq_port}//",
            "E2E_GRPC": f"127.0.0.1:{grpc_port}",
            "E2E_BACK": f"http://127.0.0.1:{back_port}",
        }
        os.environ["E2E_POSTGRES"] = variables["E2E_POSTGRES"]
        store.create()
        front = stack.enter_context(uvicorn_process(folder, "tests.e2e.front:app", variables))
        here = Company(f"http://127.0.0.1:{front}", folder, variables, stack)
        here.start("tests.e2e.back")
        here.start("tests.e2e.pricing")
        here.start("celery", "-A", "tests.e2e.tasks", "worker", "-P", "threads", "-c", "4", "-l", "WARNING")
        yield here


async def drive(url: str, keys: Keys, number: int) -> Counter[int]:
    """Book ``number`` real and as many simulated rides, sixteen at a time, and some with forged markers."""
    statuses: Counter[int] = Counter()
    work = iter([(kind, n) for n in range(number) for kind in ("real", "simulated", "forged")[: 2 + (n % 20 == 0)]])

    async def ride(client: httpx.AsyncClient, kind: str, n: int) -> None:
        headers = {}
        if kind == "simulated":
            with synthetic.simulated(run="end-to-end", kind="load", actor=f"simulated-{n}"):
                headers = synthetic.headers()
        elif kind == "forged":
            headers = {"baggage": entry(mint(shared_key(keys["keys"][-1]["kid"])))}
        response = await client.post(f"{url}/rides/{kind}-{n}", headers=headers)
        statuses[response.status_code] += 1

    async def user(client: httpx.AsyncClient) -> None:
        for kind, n in work:
            await ride(client, kind, n)

    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=16)) as client:
        await asyncio.gather(*(user(client) for _ in range(16)))
    return statuses


@pytest.mark.long
def test_every_hop_sees_real_rides_as_real_and_simulated_ones_as_simulated(
    keys: Keys, tmp_path: Path, rabbitmq_port: int, long_run: bool
) -> None:
    synthetic.configure(keys=keys)
    number = FULL if long_run else SMALL
    with company(tmp_path, keys, rabbitmq_port) as here:
        consumer, _ = here.start("tests.e2e.consumer"), here.start("tests.e2e.consumer")
        statuses = asyncio.run(drive(here.url, keys, number))
        assert statuses == {200: 2 * number, 403: -(-number // 20)}
        here.wait_for(number // 2)
        # Another process gets the handled but uncommitted messages again, and the group rebalances.
        here.kill(consumer)
        here.start("tests.e2e.consumer")
        here.wait_for(2 * number)
        rows = list(store.seen())
    check(rows, number)


def check(rows: list[tuple[str, str, str, int]], number: int) -> None:
    wrong = [row for row in rows if row[2] != expected(row[1])]
    assert not wrong, wrong[:20]
    hops: dict[str, set[str]] = defaultdict(set)
    again: Counter[str] = Counter()
    for hop, id_, _, count in rows:
        hops[id_].add(hop)
        again[hop] += count > 1
    assert len(hops) == 2 * number
    assert all(seen == set(store.HOPS) for seen in hops.values())
    print({hop: again[hop] for hop in store.HOPS}, "came by more than once")
    assert all(again[hop] for hop in ("celery", "grpc", "back"))


def expected(id_: str) -> str:
    return "real" if id_.startswith("real") else f"simulated end-to-end {id_}"
