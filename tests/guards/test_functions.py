"""Guards on plain functions."""

from __future__ import annotations

import multiprocessing
import threading
from typing import Any

import synthetic
from synthetic import guard, simulated
from synthetic.ledger import recorded
from tests.guards.contract import FunctionContract


@guard("payment")
def double(amount: int) -> int:
    """A function that other processes can find."""
    return 2 * amount


class TestFunctions(FunctionContract):
    def plain(self, calls: list[str]) -> Any:
        def charge(amount: int, *, currency: str = "EUR") -> str:
            """Charge somebody."""
            calls.append("real")
            return f"real {amount} {currency}"

        return charge

    def fake(self, calls: list[str]) -> Any:
        def fake_charge(amount: int, *, currency: str = "EUR") -> str:
            calls.append("fake")
            return f"fake {amount} {currency}"

        return fake_charge

    def at_module_level(self) -> Any:
        return double


def test_a_guarded_function_runs_in_a_pool_of_spawned_processes() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(double, [1, 2]) == [2, 4]


def test_a_guarded_function_keeps_its_attributes_and_defaults() -> None:
    def charge(amount: int = 3) -> int:
        return amount

    charge.retries = 2  # type: ignore[attr-defined]
    guarded: Any = guard("payment")(charge)
    assert guarded.retries == 2
    assert guarded.__wrapped__ is charge
    assert guarded() == 3


def test_each_thread_uses_its_own_verdict(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    calls: list[str] = []
    guarded = guard("payment")(calls.append)
    started = threading.Barrier(8)

    def simulating(number: int) -> None:
        with simulated(run=f"run-{number}"):
            started.wait()
            for _ in range(200):
                guarded("simulated")

    def working() -> None:
        started.wait()
        for _ in range(200):
            guarded("real")

    threads = [threading.Thread(target=simulating, args=(number,)) for number in range(4)]
    threads += [threading.Thread(target=working) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == ["real"] * 800


def test_a_guarded_function_may_call_itself(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, policy={"data-mutation": "allow"})

    @guard("data-mutation")
    def depth(left: int) -> int:
        return 0 if left == 0 else 1 + (depth(left - 1) or 0)

    assert depth(3) == 3
    with recorded() as outcomes, simulated(run="rush-hour"):
        assert depth(3) == 3
    assert len(outcomes) == 4
