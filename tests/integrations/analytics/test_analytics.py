"""Analytics SDKs with their default batching: every real event arrives at the vendor, and no simulated one does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

import synthetic
from synthetic import guard_target, ledger, real, simulated
from synthetic._guards.targets import _targets
from synthetic._work.state import current_verdict
from tests.products.analytics import SDKS, AsynchronousPosthog, Sdk, Vendor, vendor
from tests.support.servers import wait_until

pytest.importorskip("posthog", reason="the SDKs do not fit the oldest versions of what they depend on")

KINDS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "simulated": lambda: simulated(run="rush-hour"),
    "real": real,
    "undecided": nullcontext,
}


@pytest.fixture(autouse=True)
def instrumented(keys: dict[str, Any], configuration: None) -> Iterator[None]:
    synthetic.configure(keys=keys, internal_hosts=["rides.example"])  # the vendor is outside
    synthetic.instrument()
    yield
    synthetic.uninstrument()


@pytest.fixture
def there() -> Iterator[Vendor]:
    with vendor() as running:
        yield running


def sdk_id(sdk: Sdk) -> str:
    return sdk.name


def arrive(there: Vendor, wanted: list[str]) -> bool:
    wait_until(lambda: set(wanted) <= set(there.events))
    return not [event for event in there.events if event not in wanted]


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("sdk", SDKS, ids=sdk_id)
def test_every_real_event_arrives_and_no_simulated_one_whoever_has_made_the_client(
    sdk: Sdk, first: str, there: Vendor
) -> None:
    wanted: list[str] = []
    client: Any = None
    for number, kind in enumerate((first, "simulated", "real", "undecided", "simulated", "real", "simulated")):
        with KINDS[kind]():
            client = client or sdk.client(there)
            for position, hand_over in enumerate(sdk.ways.values()):
                event = f"{kind}-{number}{position}"
                hand_over(client, event)
                if kind != "simulated":
                    wanted.append(event)
    sdk.flush(client)
    assert arrive(there, wanted)
    assert "synthetic-traffic" not in "".join(there.headers)


@pytest.mark.parametrize("sdk", SDKS, ids=sdk_id)
def test_simulated_work_that_flushes_loses_no_real_event(sdk: Sdk, there: Vendor) -> None:
    (hand_over, *_) = sdk.ways.values()
    client = sdk.client(there)
    with real():
        hand_over(client, "real-1")
    with simulated(run="rush-hour"):
        hand_over(client, "simulated-2")
        sdk.flush(client)
    sdk.flush(client)
    assert arrive(there, ["real-1"])


@pytest.mark.parametrize("sdk", SDKS, ids=sdk_id)
def test_an_event_that_a_job_or_thread_of_simulated_work_hands_over_does_not_arrive(sdk: Sdk, there: Vendor) -> None:
    (hand_over, *_) = sdk.ways.values()
    client = sdk.client(there)
    with ThreadPoolExecutor(1) as pool, simulated(run="rush-hour"):
        pool.submit(hand_over, client, "simulated-1").result()
        thread = threading.Thread(target=hand_over, args=(client, "simulated-2"))
        thread.start()
        thread.join()
    with real():
        hand_over(client, "real-3")
    sdk.flush(client)
    assert arrive(there, ["real-3"])


@pytest.mark.parametrize("sdk", SDKS, ids=sdk_id)
def test_the_ledger_has_each_event_that_was_skipped(sdk: Sdk, there: Vendor) -> None:
    client = sdk.client(there)
    with ledger.recorded() as outcomes, simulated(run="rush-hour"):
        for hand_over in sdk.ways.values():
            hand_over(client, "simulated-1")
    assert {(outcome.effect, outcome.action.value) for outcome in outcomes} == {("analytics", "skip")}
    assert len(outcomes) == len(sdk.ways)
    sdk.flush(client)


def test_the_tasks_that_a_simulated_flush_starts_send_the_events_of_everybody(there: Vendor) -> None:
    client = AsynchronousPosthog(there)
    with simulated(run="rush-hour"):
        client.flush()
        client.capture("simulated-1", distinct_id="ann")
    with real():
        client.capture("real-2", distinct_id="ann")
    client.capture("undecided-3", distinct_id="ann")
    client.flush()
    assert arrive(there, ["real-2", "undecided-3"])


def test_a_task_of_mixpanel_that_simulated_work_starts_fetches_flags_for_everybody() -> None:
    from mixpanel.flags.local_feature_flags import LocalFeatureFlagsProvider
    from mixpanel.flags.types import LocalFlagsConfig

    found: list[Any] = []

    class Fetching(LocalFeatureFlagsProvider):
        async def _afetch_flag_definitions(self) -> None:
            found.append(current_verdict())
            if len(found) > 1:
                polled.set()

    async def main() -> None:
        config = LocalFlagsConfig(enable_polling=True, polling_interval_in_seconds=0)
        flags = Fetching("token", config, "1.0", lambda *_: None)
        with simulated(run="rush-hour"):
            await flags.astart_polling_for_definitions()
        await polled.wait()
        await flags.astop_polling_for_definitions()

    polled = asyncio.Event()
    asyncio.run(main())
    assert found[1] is None


def test_the_applications_own_guard_on_the_same_function_wins(there: Vendor) -> None:
    (sdk, *_) = SDKS
    client = sdk.client(there)
    own = guard_target("posthog.client:Client.capture", "product-analytics", returns="an id")
    try:
        with ledger.recorded() as outcomes, simulated(run="rush-hour"):
            assert sdk.ways["capture"](client, "simulated-1") == "an id"
        assert [outcome.effect for outcome in outcomes] == ["product-analytics"]
        synthetic.uninstrument("posthog")
        assert _targets["posthog.client:Client.capture"] is own
    finally:
        own.undo()


def test_undone_the_guards_are_gone(there: Vendor) -> None:
    synthetic.uninstrument()
    assert not [target for target in _targets if target.startswith(("posthog", "segment", "mixpanel", "amplitude"))]
