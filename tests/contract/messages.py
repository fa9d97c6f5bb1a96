"""What every integration for messages and tasks must do. A subclass provides ``broker`` and inherits the tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import pytest

import synthetic
from synthetic._model.verdict import REAL
from synthetic._work.state import VERDICT
from tests.support.clients import break_part, brought_by_opentelemetry, claims_of
from tests.support.keys import entry, mint, shared_key
from tests.support.markers import DAY, REFUSED, expired
from tests.support.servers import PATIENCE

Keys = dict[str, Any]

REFUSED_HERE = {kind: case for kind, case in REFUSED.items() if kind != "expired"}
"""The markers that a consumer refuses. It is never an edge, so it accepts a token that expired a minute ago."""


@dataclass(frozen=True)
class Seen:
    """What a handler saw of one message: ``Seen.now(...)`` in the handler makes it."""

    name: str
    simulated: bool
    explicit: bool
    run: str | None
    headers: dict[str, str]
    baggage: str | None
    """The ``baggage`` header that the handler finds on the message, or None."""

    @classmethod
    def now(cls, name: str, baggage: str | None) -> Seen:
        marker = synthetic.current()
        return cls(
            name,
            synthetic.is_synthetic(),
            VERDICT.get() is not None and (VERDICT.get() is REAL or marker is not None),
            marker and marker.run,
            synthetic.headers(),
            baggage,
        )


class Handled:
    """What handlers saw, by the names of the messages."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}

    def note(self, name: str, baggage: str | None) -> None:
        """Keep what a handler sees now; ``baggage`` is the header that it finds on its message."""
        self.seen[name] = Seen.now(name, baggage)

    def find(self, name: str) -> Seen | None:
        """What the handler of this message saw; None if it was not handled yet."""
        return self.seen.get(name)

    def handled(self, name: str) -> Seen:
        """Wait until the message was handled."""
        seen: Seen = eventually(lambda: self.find(name))
        return seen

    def runs(self, *names: str) -> list[str | None]:
        """Wait for these messages; returns the run of each, None for real ones. Each had a verdict."""
        seen = [self.handled(name) for name in names]
        assert all(one.explicit for one in seen)
        return [one.run for one in seen]


class Broker(Protocol):
    """A producer and a consumer of the product, both instrumented, with a real broker between them."""

    def send(self, name: str, baggage: str | None = None) -> None:
        """Send a message called ``name`` with the API of the product, from the current work.

        ``baggage`` is a header that the caller puts on the message.
        """
        ...

    def send_raw(self, name: str, baggage: list[str]) -> None:
        """Send a message with exactly these ``baggage`` headers, without any instrumentation.

        If the carrier allows only one header per name, they are joined with commas.
        """
        ...

    def handled(self, name: str) -> Seen:
        """Wait until the message is handled and return what the handler saw. Raises TimeoutError if it never is."""
        ...

    def refused(self, name: str) -> str:
        """Wait until the error handling of the broker reports the refusal and return the code of the reason.

        The product turns an exception in a handler into a failed task, a rejected message or a dead letter.
        """
        ...


class MessageContract:
    """The suite for one product. Create ``broker`` after the test has configured the library."""

    our_part: str
    """The function of the core that the producer calls, in the module that imports it: ``"module.function"``."""

    @pytest.fixture
    def broker(self) -> Iterator[Broker]:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _configured(self, keys: Keys, configuration: None) -> None:
        synthetic.configure(keys=keys, service="worker")

    def name(self) -> str:
        return uuid4().hex

    def check_real(self, seen: Seen) -> None:
        assert (seen.simulated, seen.explicit, seen.run, seen.headers) == (False, True, None, {})

    # When our hook fails

    def test_real_messages_are_sent_and_simulated_ones_raise_when_our_hook_fails(
        self, broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        break_part(self.our_part, monkeypatch)
        first, second = self.name(), self.name()
        broker.send(first)
        assert "real call sent unchanged" in caplog.text
        with synthetic.real():
            broker.send(second)
        for name in (first, second):
            self.check_real(broker.handled(name))
        with synthetic.simulated(run="rush-hour"), pytest.raises(Exception, match="broken"):
            broker.send(self.name())

    # What is sent

    def test_a_message_of_undecided_work_is_explicitly_real(self, broker: Broker) -> None:
        name = self.name()
        broker.send(name)
        seen = broker.handled(name)
        self.check_real(seen)
        assert seen.baggage is None

    def test_a_message_of_real_work_is_explicitly_real(self, broker: Broker) -> None:
        name = self.name()
        with synthetic.real():
            broker.send(name)
        self.check_real(broker.handled(name))

    def test_a_message_of_simulated_work_is_simulated_and_has_its_token(self, broker: Broker) -> None:
        name = self.name()
        with synthetic.simulated(run="rush-hour", kind="load", actor="rider-7"):
            sent = synthetic.headers()
            broker.send(name)
        seen = broker.handled(name)
        assert (seen.simulated, seen.explicit, seen.run, seen.headers) == (True, True, "rush-hour", sent)
        assert seen.baggage == sent["baggage"]

    def test_the_callers_own_baggage_is_kept_behind_the_marker(self, broker: Broker) -> None:
        name = self.name()
        with synthetic.simulated(run="rush-hour"):
            ours = synthetic.headers()["baggage"]
            broker.send(name, "vendor=a%20b;p=1,user=7")
        assert broker.handled(name).baggage == f"{ours},vendor=a%20b;p=1,user=7"

    def test_real_work_that_copies_the_headers_of_a_simulated_message_sends_no_marker(self, broker: Broker) -> None:
        name = self.name()
        with synthetic.simulated(run="yesterday"):
            stale = synthetic.headers()["baggage"]
        with synthetic.real():
            broker.send(name, f"user=7,{stale}")
        seen = broker.handled(name)
        self.check_real(seen)
        assert seen.baggage == "user=7"

    def test_the_current_marker_replaces_a_stale_one(self, broker: Broker) -> None:
        name = self.name()
        with synthetic.simulated(run="yesterday"):
            stale = synthetic.headers()["baggage"]
        with synthetic.simulated(run="today"):
            broker.send(name, stale)
        assert broker.handled(name).run == "today"

    def test_unverified_work_raises_and_sends_nothing(self, broker: Broker) -> None:
        forged = mint(shared_key())
        with brought_by_opentelemetry(forged), pytest.raises(synthetic.UnverifiedMarker):
            broker.send(self.name())

    # What is received

    @pytest.mark.parametrize("kind", REFUSED_HERE)
    def test_a_bad_marker_is_refused_and_the_broker_sees_the_refusal(
        self, broker: Broker, keys: Keys, kind: str
    ) -> None:
        headers, reason = REFUSED_HERE[kind]
        name = self.name()
        broker.send_raw(name, [value for _, value in headers(keys)])
        assert broker.refused(name) == reason
        after = self.name()
        broker.send_raw(after, [])
        self.check_real(broker.handled(after))

    def test_without_keys_every_marker_is_refused(self, broker: Broker, keys: Keys) -> None:
        synthetic.configure()
        name = self.name()
        broker.send_raw(name, [entry(mint(keys))])
        assert broker.refused(name) == "no-keys"

    def test_a_halted_run_is_refused(self, broker: Broker, keys: Keys) -> None:
        synthetic.configure(keys=keys, halt=["stopped"])
        name = self.name()
        broker.send_raw(name, [entry(mint(keys, claims={"run": "stopped"}))])
        assert broker.refused(name) == "halted"

    def test_an_expired_token_is_simulated_within_the_retention_time(self, broker: Broker, keys: Keys) -> None:
        name = self.name()
        token = mint(keys, claims=expired(6 * DAY))
        broker.send_raw(name, [entry(token)])
        seen = broker.handled(name)
        assert (seen.simulated, seen.headers) == (True, {"baggage": entry(token)})

    def test_a_token_is_refused_after_the_retention_time(self, broker: Broker, keys: Keys) -> None:
        name = self.name()
        broker.send_raw(name, [entry(mint(keys, claims=expired(8 * DAY)))])
        assert broker.refused(name) == "expired"

    def test_a_marker_behind_other_entries_and_in_a_second_header_is_found(self, broker: Broker, keys: Keys) -> None:
        name = self.name()
        broker.send_raw(name, ["vendor=1", f"user=7,{entry(mint(keys, claims={'run': 'peak'}))}"])
        assert broker.handled(name).run == "peak"

    # No verdict stays behind

    def test_the_message_after_a_simulated_one_is_real(self, broker: Broker, keys: Keys) -> None:
        for _ in range(3):
            first, second = self.name(), self.name()
            broker.send_raw(first, [entry(mint(keys))])
            broker.send_raw(second, [])
            assert broker.handled(first).simulated
            self.check_real(broker.handled(second))

    def test_interleaved_messages_keep_their_own_verdicts(self, broker: Broker) -> None:
        names = {self.name(): number % 2 == 0 for number in range(40)}

        def send(name: str, simulated: bool) -> None:
            with synthetic.simulated(run=name) if simulated else synthetic.real():
                broker.send(name)

        for name, simulated in names.items():
            send(name, simulated)
        for name, simulated in names.items():
            seen = broker.handled(name)
            assert (seen.simulated, seen.explicit, seen.run) == (simulated, True, name if simulated else None)
            if simulated:
                assert claims_of(seen.headers["baggage"].partition("=")[2])["run"] == name


def eventually(found: Any, *, seconds: float = PATIENCE) -> Any:
    """Return the first result of ``found()`` that is not None. Raises TimeoutError if there is none in time."""
    deadline = time.monotonic() + seconds
    while (value := found()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} seconds")
        time.sleep(0.005)
    return value


def in_a_bare_thread(function: Any, *args: Any) -> Any:
    """Call a function in an empty context on another thread and return its result."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(Context().run, function, *args).result()
