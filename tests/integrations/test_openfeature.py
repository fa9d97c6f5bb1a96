"""OpenFeature: each evaluation says whose work it is, and nothing that an application gives can say otherwise."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

pytest.importorskip("openfeature.client")

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, InvalidContextError
from openfeature.flag_evaluation import FlagEvaluationOptions, Reason
from openfeature.hook import Hook
from openfeature.transaction_context import ContextVarsTransactionContextPropagator

import synthetic
from synthetic import ledger
from synthetic.integration import Reason as Refusal
from synthetic_openfeature import UnverifiedContext, hook
from tests.products.openfeature import NAMES, Recording, recording, remote, told
from tests.support.clients import brought_by_opentelemetry, run_script
from tests.support.keys import mint, shared_key
from tests.support.servers import wait_until

Keys = dict[str, Any]
REAL = {"synthetic": False, **dict.fromkeys(NAMES[1:], "")}
WHO = {"run": "peak", "kind": "load", "actor": "rider-7", "scenario": "book"}
SIMULATED = {"synthetic": True, **{f"synthetic_{name}": value for name, value in WHO.items()}}
FORGED = {"synthetic": True, **dict.fromkeys(NAMES[1:], "forged")}
DENIED = {"synthetic": False, **dict.fromkeys(NAMES[1:], "denied")}

has_track = pytest.mark.skipif(not hasattr(OpenFeatureClient, "track"), reason="since openfeature-sdk 0.9")


def simulated() -> Any:
    return synthetic.simulated(run="peak", kind="load", actor="rider-7", scenario="book")


@pytest.fixture
def provider(keys: Keys) -> Iterator[Recording]:
    synthetic.configure(keys=keys)
    with recording() as provider:
        yield provider


@pytest.fixture
def instrumented() -> Iterator[None]:
    synthetic.instrument("openfeature")
    yield
    synthetic.uninstrument("openfeature")


@pytest.fixture(params=["instrument", "hook", "both"])
def switched_on(request: pytest.FixtureRequest, provider: Recording) -> Iterator[None]:
    """By ``instrument``, by the explicit hook, and by both."""
    synthetic.instrument("requests")  # to enter simulated work
    if request.param != "hook":
        synthetic.instrument("openfeature")
    if request.param != "instrument":
        api.add_hooks([hook])
    yield
    synthetic.uninstrument("openfeature", "requests")


def sync_value(client: OpenFeatureClient, *args: Any) -> bool:
    return client.get_boolean_value("surge", False, *args)


def async_value(client: OpenFeatureClient, *args: Any) -> bool:
    return asyncio.run(client.get_boolean_value_async("surge", False, *args))


@pytest.fixture(params=[sync_value, async_value], ids=["sync", "async"])
def value(request: pytest.FixtureRequest) -> Callable[..., bool]:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.usefixtures("switched_on")
def test_an_evaluation_says_whose_work_it_is(provider: Recording, value: Callable[..., bool]) -> None:
    client = api.get_client()
    with simulated():
        assert value(client) is True
        assert provider.told() == SIMULATED
        with synthetic.real():
            assert value(client) is False
            assert provider.told() == REAL
        with synthetic.simulated(run="other"):
            value(client)
            assert provider.told() == {
                **REAL,
                "synthetic": True,
                "synthetic_run": "other",
                "synthetic_kind": "simulation",
            }
        value(client)
        assert provider.told() == SIMULATED
    assert value(client) is False
    assert provider.told() == REAL, "undecided work counts as real"


@pytest.mark.usefixtures("switched_on")
@pytest.mark.parametrize("level", ["api", "transaction", "client", "call"])
def test_no_context_of_the_application_replaces_the_marker(
    provider: Recording, value: Callable[..., bool], level: str
) -> None:
    client = api.get_client()

    def evaluate(attributes: dict[str, Any]) -> dict[str, Any]:
        given = EvaluationContext("ann", {**attributes, "plan": "gold"})
        if level == "transaction":
            api.set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
            api.set_transaction_context(given)
        elif level == "api":
            api.set_evaluation_context(given)
        elif level == "client":
            client.context = given
        value(client, *([given] if level == "call" else []))
        found = provider.contexts[-1]
        assert found.targeting_key == "ann"
        assert found.attributes["plan"] == "gold"
        assert dict(given.attributes) == {**attributes, "plan": "gold"}, "the caller's context stays as it is"
        return told(found)

    with synthetic.real():
        assert evaluate(FORGED) == REAL
    assert evaluate(FORGED) == REAL
    with simulated():
        assert evaluate(DENIED) == SIMULATED


class Claiming(Hook):
    """A hook of the application that says something else."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes

    def before(self, hook_context: Any, hints: Any) -> EvaluationContext:
        return EvaluationContext("bob", {**self.attributes, "plan": "gold"})


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("level", ["api", "client", "call", "provider"])
def test_no_hook_of_the_application_replaces_the_marker_when_instrumented(
    provider: Recording, value: Callable[..., bool], level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for claimed, expected, work in ((FORGED, REAL, synthetic.real), (DENIED, SIMULATED, simulated)):
        client = api.get_client()
        api.clear_hooks()
        claiming = Claiming(claimed)
        options = FlagEvaluationOptions(hooks=[claiming]) if level == "call" else FlagEvaluationOptions()
        if level == "api":
            api.add_hooks([claiming])
        elif level == "client":
            client.add_hooks([claiming])
        elif level == "provider":
            monkeypatch.setattr(provider, "get_provider_hooks", lambda claiming=claiming: [claiming])
        with work():
            value(client, None, options)
        assert provider.told() == expected
        assert provider.contexts[-1].attributes["plan"] == "gold"
        assert provider.contexts[-1].targeting_key == "bob"


def test_only_a_hook_that_runs_later_replaces_what_the_explicit_hook_says(provider: Recording) -> None:
    """The page says so: ``instrument`` has no such gap."""
    synthetic.instrument("requests")
    client = api.get_client()
    api.add_hooks([Claiming(DENIED), hook])
    with simulated():
        sync_value(client)
        assert provider.told() == SIMULATED
        client.add_hooks([Claiming(DENIED)])
        sync_value(client)
        assert provider.told() == DENIED
    synthetic.uninstrument("requests")


@pytest.mark.usefixtures("switched_on")
def test_a_simulated_actor_gets_no_targeting_key_that_the_application_does_not_give(provider: Recording) -> None:
    with simulated():
        sync_value(api.get_client())
    assert provider.contexts[-1].targeting_key is None


class Watching(Hook):
    """Keeps the errors of evaluations."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def error(self, hook_context: Any, exception: Exception, hints: Any) -> None:
        self.errors.append(exception)


@pytest.mark.usefixtures("switched_on")
@pytest.mark.parametrize("default", [False, True])
@pytest.mark.parametrize("is_async", [False, True])
def test_unverified_work_gets_the_default_value_and_no_provider_is_asked(
    provider: Recording, default: bool, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    client = api.get_client()
    client.add_hooks([watching := Watching()])
    token = mint(shared_key())
    with brought_by_opentelemetry(token), caplog.at_level(logging.DEBUG):
        if is_async:
            details = asyncio.run(client.get_boolean_details_async("surge", default))
        else:
            details = client.get_boolean_details("surge", default)
    assert (details.value, details.reason, details.error_code) == (default, Reason.ERROR, ErrorCode.INVALID_CONTEXT)
    assert "is refused (bad-signature)" in str(details.error_message)
    assert provider.contexts == []
    (error,) = watching.errors
    assert isinstance(error, UnverifiedContext)
    assert error.reason is Refusal.BAD_SIGNATURE
    assert token not in f"{error}{details}{caplog.text}"


@pytest.mark.usefixtures("switched_on")
def test_work_that_outlives_the_simulated_work_that_started_it_gets_the_default_value(provider: Recording) -> None:
    client = api.get_client()
    with simulated():
        outlived = copy_context()
        assert outlived.run(sync_value, client) is True
    details = outlived.run(client.get_boolean_details, "surge", True)
    assert (details.value, details.error_code) == (True, ErrorCode.INVALID_CONTEXT)
    assert "outlived" in str(details.error_message)
    assert len(provider.contexts) == 1


def test_the_error_is_one_of_openfeature_and_one_of_ours_and_can_be_pickled() -> None:
    error = UnverifiedContext(Refusal.OUTLIVED)
    assert isinstance(error, InvalidContextError)
    assert isinstance(error, synthetic.UnverifiedMarker)
    assert str(error) == str(synthetic.UnverifiedMarker(Refusal.OUTLIVED)) == error.error_message
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.reason, str(copy), copy.error_code) == (
        UnverifiedContext,
        error.reason,
        str(error),
        ErrorCode.INVALID_CONTEXT,
    )


def test_clients_from_before_are_covered_and_it_is_applied_once_and_undone(provider: Recording) -> None:
    untouched = dict(vars(OpenFeatureClient))
    before = api.get_client("before")
    sync_value(before)
    assert provider.told() == {}
    synthetic.instrument("openfeature")
    wrapped = dict(vars(OpenFeatureClient))
    assert "openfeature" in synthetic.instrument("openfeature")
    assert dict(vars(OpenFeatureClient)) == wrapped
    for client in (before, api.get_client("after")):
        with simulated():
            assert sync_value(client) is True
            assert async_value(client) is True
        assert [told(context) for context in provider.contexts[-2:]] == [SIMULATED] * 2
    synthetic.uninstrument("openfeature")
    assert dict(vars(OpenFeatureClient)) == untouched
    sync_value(before, EvaluationContext("ann", {"synthetic": "mine"}))
    assert provider.told() == {"synthetic": "mine"}


@pytest.mark.usefixtures("instrumented")
def test_clearing_the_hooks_does_not_take_the_marker_away(keys: Keys) -> None:
    synthetic.configure(keys=keys)
    for reset in (api.clear_hooks, api.shutdown):
        reset()
        with recording() as provider, simulated():
            assert sync_value(api.get_client()) is True
            assert provider.told() == SIMULATED


def test_it_is_applied_when_the_application_imports_openfeature_later(keys: Keys) -> None:
    program = """
import sys, synthetic
assert "openfeature" in synthetic.instrument()
assert "openfeature.client" not in sys.modules
from tests.products.openfeature import recording
from openfeature import api
with recording() as provider, synthetic.simulated(run="peak"):
    print(api.get_client().get_boolean_value("surge", False), provider.told()["synthetic_run"])
"""
    assert run_script(program, keys=keys).split() == ["True", "peak"]


@pytest.mark.usefixtures("instrumented")
def test_threads_and_tasks_evaluate_as_the_work_that_they_belong_to(provider: Recording) -> None:
    synthetic.instrument("concurrency")
    client = api.get_client()
    try:
        with ThreadPoolExecutor(2) as pool:
            with simulated():
                job = pool.submit(sync_value, client)
                assert job.result() is True
                thread = threading.Thread(target=client.get_boolean_value, args=("surge", False))
                thread.start()
                thread.join()
                assert provider.told() == SIMULATED
            with synthetic.real():
                assert pool.submit(sync_value, client).result() is False
    finally:
        synthetic.uninstrument("concurrency")

    async def evaluate(run: str | None) -> tuple[str | None, bool]:
        if run is None:
            return run, await client.get_boolean_value_async("surge", False)
        with synthetic.simulated(run=run):
            return run, await client.get_boolean_value_async("surge", False)

    async def main() -> list[tuple[str | None, bool]]:
        return await asyncio.gather(*(evaluate(run) for run in ("first", None, "second", None)))

    assert asyncio.run(main()) == [("first", True), (None, False), ("second", True), (None, False)]


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("kind", ["string", "integer", "float", "object"])
def test_flags_of_every_type_are_covered(provider: Recording, kind: str) -> None:
    client = api.get_client()
    default = {"string": "a", "integer": 1, "float": 1.5, "object": {"a": 1}}[kind]
    with simulated():
        getattr(client, f"get_{kind}_details")("surge", default)
        asyncio.run(getattr(client, f"get_{kind}_details_async")("surge", default))
    assert [told(context) for context in provider.contexts] == [SIMULATED] * 2


@has_track
@pytest.mark.usefixtures("instrumented")
def test_simulated_work_tracks_nothing(provider: Recording) -> None:
    client = api.get_client()
    with ledger.recorded() as outcomes:
        with simulated():
            client.track("booked")
        client.track("booked", EvaluationContext("ann", FORGED))
        with brought_by_opentelemetry(mint(shared_key())), pytest.raises(synthetic.UnverifiedMarker):
            client.track("booked")
    assert [(name, told(context), context.targeting_key) for name, context in provider.tracked] == [
        ("booked", REAL, "ann")
    ]
    assert [(one.effect, one.action.value) for one in outcomes if one.marker] == [("analytics", "skip")]


@has_track
@pytest.mark.usefixtures("instrumented")
def test_where_the_policy_allows_it_a_tracked_event_says_whose_it_is(provider: Recording, keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"analytics": "allow"})
    with simulated():
        api.get_client().track("booked", EvaluationContext("ann", DENIED))
        api.get_client().track(tracking_event_name="paid", tracking_event_details=None)
    assert [(name, told(context)) for name, context in provider.tracked] == [("booked", SIMULATED), ("paid", SIMULATED)]


def test_a_remote_provider_is_asked_for_simulated_work_without_the_marker(keys: Keys) -> None:
    """Its host takes no part. Refused, each flag would have its default value, for simulated users only."""
    from openfeature.contrib.provider.ofrep import OFREPProvider

    synthetic.configure(keys=keys, internal_hosts=["rides.example"])
    synthetic.instrument("openfeature", "requests")
    try:
        with remote() as there:
            api.set_provider(OFREPProvider(there.url))
            with simulated():
                details = api.get_client().get_boolean_details("surge", False)
            with synthetic.real():
                api.get_client().get_boolean_details("surge", False)
            assert (details.value, details.error_code) == (True, None)
            assert [context["synthetic"] for context in there.contexts] == [True, False]
            assert "synthetic-traffic" not in "".join(there.headers)
    finally:
        api.shutdown()
        synthetic.uninstrument("openfeature", "requests")


def test_a_provider_that_simulated_work_sets_is_initialized_for_everybody(keys: Keys) -> None:
    """Its thread starts without a verdict. Otherwise it would belong to work that ends before it does."""
    synthetic.configure(keys=keys)
    synthetic.instrument("openfeature", "concurrency")
    may_go_on, found = threading.Event(), []

    class Slow(Recording):
        def initialize(self, evaluation_context: EvaluationContext) -> None:
            may_go_on.wait(60)
            found.append(synthetic.current())

    try:
        registry = pytest.importorskip("openfeature.provider._registry")
        if not hasattr(registry, "threading"):
            pytest.skip("before openfeature-sdk 0.10, a provider is initialized where it is set")
        with simulated():
            api.set_provider(Slow())
        may_go_on.set()
        wait_until(lambda: found)
        assert found == [None]
    finally:
        may_go_on.set()
        api.shutdown()
        synthetic.uninstrument("openfeature", "concurrency")
