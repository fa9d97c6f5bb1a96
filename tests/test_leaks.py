"""Known ways in which markers leak in other systems, and the tests that rule out each of them.

``COVERED`` maps each leak to its tests. The tests of the core are below; the others are beside the servers and clients
that they need.
"""

from __future__ import annotations

import ast
import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import context, propagate

import synthetic
from synthetic import EffectRefused, allows, carry, current, guard, guard_target, headers, is_synthetic, real, simulated
from synthetic.ledger import recorded
from tests.support.keys import entry, mint

HERE = "test_leaks.py"
ASGI = "test_asgi_leaks.py"
SERVER = "contract/server.py"
CLIENT = "contract/client.py"
HOSTS = "contract/client_hosts.py"
MESSAGES = "contract/messages.py"
CARRIED = "test_verdict_carried.py"

COVERED: dict[str, list[tuple[str, str]]] = {
    # The mark is lost: simulated work runs as real.
    "start-up and shutdown race": [
        (ASGI, "test_a_marked_request_is_refused_before_the_keys_are_loaded"),
        (ASGI, "test_a_marked_request_gets_429_before_the_service_is_ready"),
        (ASGI, "test_admitted_work_stays_simulated_while_its_server_stops"),
        (HERE, "test_a_target_is_guarded_before_other_threads_can_call_it"),
    ],
    "the first write goes to the real database because the shadow is not ready": [
        (HERE, "test_the_first_marked_write_does_not_go_to_the_real_database"),
    ],
    "an exception inside a substitute": [
        (HERE, "test_an_exception_in_a_substitute_does_not_change_the_verdict"),
        ("guards/contract.py", "test_a_failing_substitute_never_runs_the_real_function_or_disables_the_guard"),
    ],
    "the mark is gone after the first call in a scheduled task, or after a retry": [
        (HERE, "test_a_scheduled_task_is_refused_once_its_work_has_ended_and_carried_it_stays_simulated"),
        (HERE, "test_a_retry_stays_simulated"),
    ],
    "a client object is reused across a flip of the mark": [
        (CLIENT, "test_a_reused_client_sends_the_marker_of_the_current_work"),
        ("integrations/requests/test_reuse.py", "test_a_prepared_request_is_reused_across_a_flip_of_the_mark"),
        (HERE, "test_a_reused_guarded_object_follows_the_current_verdict"),
    ],
    "a host or an effect that is not listed falls through": [
        (HOSTS, "test_a_call_to_an_undeclared_host_is_refused"),
        (HERE, "test_an_unlisted_effect_is_not_executed"),
    ],
    "thread pools, executors, process pools, background tasks of a sync route": [
        (CARRIED, "test_every_hop_that_carries_contextvars_carries_the_verdict"),
        (CARRIED, "test_thread_instrumentation_carries_the_verdict"),
        (CARRIED, "test_headers_carry_the_marker_into_a_spawned_process"),
        ("integrations/test_starlette.py", "test_a_background_task_in_the_thread_pool_sees_the_verdict"),
        ("guards/test_routes.py", "test_background_tasks_of_a_simulated_request_are_guarded"),
    ],
    "a script is born without a mark": [(HERE, "test_a_script_can_start_as_simulated_work")],
    "message queues": [
        (MESSAGES, "test_a_message_of_simulated_work_is_simulated_and_has_its_token"),
        (MESSAGES, "test_the_message_after_a_simulated_one_is_real"),
        (MESSAGES, "test_real_work_that_copies_the_headers_of_a_simulated_message_sends_no_marker"),
        ("e2e/test_end_to_end.py", "test_every_hop_sees_real_rides_as_real_and_simulated_ones_as_simulated"),
    ],
    "baggage grows on each retry until it is dropped whole": [
        (HERE, "test_baggage_does_not_grow_on_each_retry"),
        (SERVER, "test_a_marker_is_found_behind_8_kib_of_other_entries"),
        ("test_asgi_telemetry.py", "test_a_marker_behind_two_hundred_other_entries_is_forwarded_first"),
    ],
    "two baggage headers, and other SDKs that write one": [
        (ASGI, "test_a_marker_in_a_second_baggage_header_is_found"),
        (
            "integrations/requests/test_beside_others.py",
            "test_the_marker_is_sent_once_beside_the_baggage_of_another_sdk",
        ),
    ],
    "an attach inside a span's block is undone when the block ends": [
        (ASGI, "test_an_attach_inside_a_span_does_not_lose_the_verdict"),
        ("test_verdict.py", "test_ending_a_span_does_not_end_the_verdict"),
    ],
    "a gateway on the way does not forward the header": [
        (ASGI, "test_a_gateway_that_drops_baggage_is_noticed_when_markers_are_required"),
    ],
    "what operators count by hand: real orders in are real orders out": [
        ("test_demo.py", "test_the_books_hold_every_real_ride_and_no_simulated_one"),
        ("test_soak.py", "test_mixed_traffic_of_many_actors_gets_no_wrong_verdict"),
    ],
    # The mark sticks: real work runs as simulated.
    "the next request on a connection": [
        (ASGI, "test_the_next_request_on_a_connection_does_not_inherit_a_verdict"),
        ("contract/lifetime.py", "test_the_request_after_a_marked_one_with_a_large_body_is_real"),
    ],
    "what a marked request starts stays marked for ever": [
        (ASGI, "test_a_worker_started_inside_a_marked_request_does_not_stay_simulated"),
        (
            "test_verdict_carried.py",
            "test_a_worker_in_an_empty_context_takes_each_verdict_from_its_job",
        ),
        ("test_scope.py", "test_one_scope_can_be_used_by_several_threads_at_once"),
    ],
    "a heartbeat is marked because it runs on a marked thread": [
        (HERE, "test_a_heartbeat_inside_a_simulation_is_real"),
        (CARRIED, "test_a_worker_started_as_real_stays_real"),
    ],
    "a response for a simulated user is cached and a real one reads it": [
        (ASGI, "test_no_shared_cache_keeps_the_response_to_a_simulated_user"),
    ],
    "a rule for user agents matches real clients": [
        (SERVER, "test_no_user_agent_makes_a_request_simulated"),
    ],
    # The mark is right and still does harm.
    "refused load trips the circuit breaker that real users share": [
        (ASGI, "test_every_refusal_is_a_client_error"),
        (SERVER, "test_a_good_marker_is_deferred_while_the_service_sheds_or_is_not_ready"),
    ],
    "annotated but still counted": [(HERE, "test_a_guarded_counter_does_not_count_simulated_work")],
    "nobody reports which share of the side effects was really executed": [
        (HERE, "test_the_ledger_shows_which_side_effects_were_executed"),
    ],
    "synthetic checks fail or pass a quality gate": [
        ("test_telemetry.py", "test_spans_of_simulated_work_carry_type_run_kind_and_scenario"),
        ("test_telemetry.py", "test_log_records_of_simulated_work_carry_the_attributes_and_keep_their_own"),
    ],
    # It is abused.
    "the presence of a header is enough": [
        (ASGI, "test_an_unsigned_header_bypasses_nothing"),
        (HERE, "test_an_unsigned_baggage_entry_bypasses_nothing"),
    ],
    "a captured mark is replayed": [
        (ASGI, "test_a_captured_marker_is_refused_elsewhere_and_after_expiry"),
        (HOSTS, "test_a_redirect_to_a_third_party_is_refused_and_sends_nothing"),
    ],
    "odd spellings that one layer strips and the next decodes": [
        ("test_asgi_baggage.py", "test_an_odd_spelling_that_opentelemetry_understands_is_refused"),
        ("test_baggage.py", "test_an_oddly_spelled_entry_is_found_and_can_be_removed"),
        (SERVER, "test_a_bad_marker_is_refused_and_never_reaches_the_application"),
    ],
}

LATER: dict[str, str] = {
    "callbacks and webhooks of third parties": "they carry no marker, and need a way to find their work",
    "bulk and batch calls go round the hook of the single call": "needs a database integration",
    "clean-up deletes real rows": "needs shadow stores",
    "caches miss, and the shadow world stampedes the back end": "needs shadow caches",
    "shadow residue after clean-up": "needs shadow stores",
    "side effects without a guard": "needs the audit",
}
"""Leaks that this version does not cover, and the feature that each one needs."""


def functions_in(path: str) -> set[str]:
    tree = ast.parse((Path(__file__).parent / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


@pytest.mark.parametrize("leak", COVERED)
def test_each_known_leak_has_its_tests(leak: str) -> None:
    assert COVERED[leak]
    assert [f"{path}::{name}" for path, name in COVERED[leak] if name not in functions_in(path)] == []


def test_no_leak_is_both_covered_and_left_for_later() -> None:
    assert not COVERED.keys() & LATER.keys()


@pytest.fixture
def database(keys: dict[str, Any]) -> Iterator[list[str]]:
    """The rows that were really written."""
    synthetic.configure(keys=keys)
    yield rows
    rows.clear()


rows: list[str] = []


@guard("data-mutation")
def write(row: str) -> str:
    rows.append(row)
    return row


def test_a_target_is_guarded_before_other_threads_can_call_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any]
) -> None:
    source = "sent = []\ndef send(event):\n    sent.append(event)\n"
    (tmp_path / "vendor_of_leaks.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    synthetic.configure(keys=keys)
    guarded = guard_target("vendor_of_leaks:send", "analytics")
    started = threading.Barrier(4)

    def at_start_up() -> None:
        started.wait(60)
        with simulated(run="rush-hour"):
            import vendor_of_leaks  # type: ignore[import-not-found]

            vendor_of_leaks.send("simulated")

    threads = [threading.Thread(target=at_start_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.modules.pop("vendor_of_leaks").sent == []
    guarded.undo()


def test_the_first_marked_write_does_not_go_to_the_real_database(database: list[str]) -> None:
    with synthetic.configured(policy={"data-mutation": "divert"}), simulated(run="rush-hour"):
        with pytest.raises(EffectRefused, match="no diversion is ready"):
            write("simulated")
        assert allows("data-mutation") is False
    write("real")
    assert database == ["real"]


def test_an_exception_in_a_substitute_does_not_change_the_verdict(database: list[str]) -> None:
    def failing(row: str) -> None:
        raise TimeoutError(row)

    store = guard("data-mutation", instead=failing)(rows.append)
    with simulated(run="rush-hour"):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                store("simulated")
        assert is_synthetic() is True
    store("real")
    assert database == ["real"]


def test_a_scheduled_task_is_refused_once_its_work_has_ended_and_carried_it_stays_simulated(
    database: list[str],
) -> None:
    async def scheduled(times: int) -> int:
        for number in range(times):
            write(f"simulated {number}")
            await asyncio.sleep(0)
        return times

    async def main() -> tuple[Any, Any]:
        with simulated(run="rush-hour"):
            tasks = [asyncio.create_task(scheduled(5)), asyncio.create_task(carry(scheduled)(5))]
        refused, times = await asyncio.gather(*tasks, return_exceptions=True)
        return refused, times

    refused, times = asyncio.run(main())
    assert isinstance(refused, synthetic.UnverifiedMarker)
    assert times == 5
    assert database == []


def test_a_retry_stays_simulated(database: list[str]) -> None:
    attempts: list[bool] = []

    @simulated(run="inner")
    def attempt() -> None:
        attempts.append(is_synthetic())
        write("simulated")
        raise ConnectionError

    with simulated(run="outer"):
        for _ in range(3):
            with pytest.raises(ConnectionError):
                attempt()
            assert current() == synthetic.Marker("outer")
    assert attempts == [True] * 3
    assert database == []


def test_a_reused_guarded_object_follows_the_current_verdict(database: list[str]) -> None:
    class Table:
        @guard("data-mutation")
        def insert(self, row: str) -> None:
            rows.append(row)

    insert = Table().insert
    for row in ("real 1", "simulated", "real 2"):
        with simulated(run="rush-hour") if row == "simulated" else real():
            insert(row)
    assert database == ["real 1", "real 2"]


def test_an_unlisted_effect_is_not_executed(database: list[str]) -> None:
    with synthetic.configured(policy={"analytics": "allow"}), simulated(run="rush-hour"):
        assert write("simulated") is None
        assert allows("data-mutation") is False
    assert database == []


def test_a_script_can_start_as_simulated_work(database: list[str]) -> None:
    @simulated(run="nightly", kind="replay")
    def main() -> dict[str, str]:
        write("simulated")
        return headers()

    assert main()["baggage"].startswith("synthetic-traffic=")
    assert database == []


def test_baggage_does_not_grow_on_each_retry(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    carrier = {"baggage": "user=7,region=north"}
    lengths = set()
    for _ in range(20):
        token = context.attach(propagate.extract(carrier))
        try:
            with simulated(run="rush-hour"), simulated(run="rush-hour"):
                carrier = {}
                propagate.inject(carrier)
        finally:
            context.detach(token)
        lengths.add(len(carrier["baggage"]))
        assert carrier["baggage"].count("synthetic-traffic=") == 1
        assert carrier["baggage"].endswith(",user=7,region=north")
    assert len(lengths) == 1


def test_a_heartbeat_inside_a_simulation_is_real(database: list[str]) -> None:
    @real()
    def heartbeat() -> dict[str, str]:
        write("heartbeat")
        return headers()

    with simulated(run="rush-hour"):
        assert heartbeat() == {}
        write("simulated")
    assert database == ["heartbeat"]


def test_a_guarded_counter_does_not_count_simulated_work(keys: dict[str, Any]) -> None:
    metrics = pytest.importorskip("opentelemetry.sdk.metrics")
    export = pytest.importorskip("opentelemetry.sdk.metrics.export")
    synthetic.configure(keys=keys)
    reader = export.InMemoryMetricReader()
    provider = metrics.MeterProvider([reader], shutdown_on_exit=False)
    rides = provider.get_meter("rides").create_counter("rides")
    counted = guard("analytics")(rides.add)
    counted(1)
    with simulated(run="rush-hour"):
        counted(1)
    (resource,) = reader.get_metrics_data().resource_metrics
    assert [point.value for point in resource.scope_metrics[0].metrics[0].data.data_points] == [1]
    provider.shutdown()


def test_the_ledger_shows_which_side_effects_were_executed(database: list[str]) -> None:
    mail = guard("notification", returns=None)(lambda to: to)
    allowed = synthetic.configured(policy={"data-mutation": "allow"})
    with recorded() as outcomes, simulated(run="rush-hour", kind="load"), allowed:
        for number in range(3):
            write(f"allowed {number}")
            mail("rider")
    executed = [outcome for outcome in outcomes if outcome.action == "allow"]
    assert (len(executed), len(outcomes)) == (3, 6)
    assert {outcome.target for outcome in executed} == {f"{__name__}:write"}
    assert len(database) == 3


def test_an_unsigned_baggage_entry_bypasses_nothing(database: list[str]) -> None:
    for value in ("synthetic=1", "synthetic-traffic=1", "synthetic-traffic=true", "load-test=1"):
        token = context.attach(propagate.extract({"baggage": value}))
        try:
            write(value)
        except synthetic.UnverifiedMarker:
            rows.append(f"neither: {value}")
        finally:
            context.detach(token)
    assert database == [
        "synthetic=1",
        "neither: synthetic-traffic=1",
        "neither: synthetic-traffic=true",
        "load-test=1",
    ]


def test_a_token_of_another_type_is_not_a_marker(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    other = mint(keys, headers={"typ": "JWT"})
    token = context.attach(propagate.extract({"baggage": entry(other)}))
    try:
        with pytest.raises(synthetic.UnverifiedMarker, match="wrong-type"):
            current()
    finally:
        context.detach(token)
