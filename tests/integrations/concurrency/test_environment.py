"""A process that was started with a marker in its environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import baggage

import synthetic
from synthetic import Marker, UnverifiedMarker, current, is_synthetic, ledger, real, simulated
from synthetic_concurrency import admit_environment
from synthetic_concurrency import environment as handed_on
from tests.contract.messages import REFUSED_HERE
from tests.products.concurrency import RUN, carried, in_a_thread, seen, timer
from tests.support.keys import entry, mint, shared_key
from tests.support.markers import DAY, expired
from tests.support.servers import environment


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any], configuration: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAGGAGE", raising=False)
    synthetic.configure(keys=keys)


def instrument() -> None:
    synthetic.instrument("concurrency")


@pytest.fixture
def started_with(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Have this process be one that was started with ``BAGGAGE``, by ``instrument`` or by hand."""

    def start(*values: str, admit: Callable[[], Any] = admit_environment) -> None:
        monkeypatch.setenv("BAGGAGE", os.fsdecode(",".join(values).encode("latin-1")))
        admit()

    try:
        yield start
    finally:
        synthetic.uninstrument("concurrency")
        assert seen() == "unset"


@pytest.mark.parametrize("admit", [admit_environment, instrument])
def test_a_process_started_with_a_good_marker_is_simulated(
    started_with: Any, keys: dict[str, Any], admit: Callable[[], Any]
) -> None:
    token = mint(keys, claims={"run": RUN})
    started_with("vendor=1", entry(token), admit=admit)
    assert current() == Marker(RUN, "load")
    assert synthetic.headers() == {"baggage": entry(token)}
    assert baggage.get_baggage("synthetic-traffic") == token
    admit()
    synthetic.uninstrument("concurrency")
    assert seen() == "unset"


def test_a_simulated_process_starts_simulated_work_except_inside_real(started_with: Any, keys: dict[str, Any]) -> None:
    started_with(entry(mint(keys, claims={"run": RUN})), admit=instrument)
    assert in_a_thread() == RUN
    assert "synthetic-traffic=" in handed_on()["BAGGAGE"]
    with real():
        assert in_a_thread() == "unset"
        assert "BAGGAGE" not in handed_on()
    with synthetic.admitted(None):
        assert not is_synthetic()


@pytest.mark.parametrize("kind", REFUSED_HERE)
def test_a_process_started_with_a_bad_marker_is_unverified_and_its_guards_raise(
    started_with: Any, keys: dict[str, Any], kind: str
) -> None:
    headers, reason = REFUSED_HERE[kind]
    with ledger.recorded() as outcomes:
        started_with(*(value for _, value in headers(keys)))
    assert [outcome.reason and outcome.reason.value for outcome in outcomes] == [reason]
    with pytest.raises(UnverifiedMarker) as caught:
        synthetic.allows("payment")
    assert caught.value.reason.value == reason
    with pytest.raises(UnverifiedMarker):
        handed_on()


@pytest.mark.parametrize("make", [threading.Thread, timer])
def test_a_thread_carried_by_opentelemetry_alone_is_unverified_too(started_with: Any, make: Any) -> None:
    with carried("OpenTelemetry"):
        started_with(entry("forged"))
        assert in_a_thread(make=make) == seen() == "unverified: malformed"
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(seen).result() == "unverified: malformed"
        with real():
            assert in_a_thread(make=make) == "unset"


def test_a_halted_run_does_not_continue_in_a_subprocess(started_with: Any, keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, halt=[RUN])
    started_with(entry(mint(keys, claims={"run": RUN})))
    assert seen() == "unverified: halted"


def test_without_keys_no_marker_is_believed(started_with: Any, keys: dict[str, Any]) -> None:
    synthetic.configure()
    started_with(entry(mint(keys)))
    assert seen() == "unverified: no-keys"


def test_an_expired_token_is_simulated_within_the_retention_time(started_with: Any, keys: dict[str, Any]) -> None:
    started_with(entry(mint(keys, claims={"run": RUN, **expired(6 * DAY)})))
    assert seen() == RUN


@pytest.mark.parametrize("values", [(), ("",), ("vendor=1", "user=7")])
def test_without_a_marker_nothing_is_decided(started_with: Any, keys: dict[str, Any], values: Any) -> None:
    synthetic.configure(keys=keys, on_missing="refuse")
    started_with(*values)
    assert seen() == "unset"


def test_a_verdict_in_force_is_not_replaced_by_the_environment(started_with: Any, keys: dict[str, Any]) -> None:
    with real():
        started_with(entry(mint(keys)))
        assert seen() == "real"


CHILD = """
import synthetic
synthetic.instrument("concurrency")
marker = synthetic.current()
print(marker and marker.run, bool(synthetic.headers()))
"""


def test_a_program_instrumented_at_its_start_has_the_verdict_of_its_starter(keys: dict[str, Any]) -> None:
    def child(**settings: str) -> Any:
        env = {**environment(), **settings}
        return subprocess.run([sys.executable, "-c", CHILD], env=env, capture_output=True, text=True, timeout=300)

    variables = {"SYNTHETIC_KEYS": json.dumps(keys)}
    with carried():
        assert child(**variables).stdout == "None False\n"
        with simulated(run=RUN):
            assert child(**variables).stdout == f"{RUN} True\n"
            refused = child(SYNTHETIC_KEYS=json.dumps(shared_key()))
            assert refused.returncode == 1
            assert "UnverifiedMarker: the marker of this work is refused (bad-" in refused.stderr
