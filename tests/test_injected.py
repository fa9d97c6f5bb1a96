"""What OpenTelemetry injects into headers that the caller keeps is taken out again, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.textmap import Setter

import synthetic
from synthetic.integration import Patches, noting_injections, outgoing, outgoing_pairs


class Appending(Setter[list[tuple[str, bytes]]]):
    """As OpenTelemetry writes into the headers of Kafka's messages."""

    def set(self, carrier: list[tuple[str, bytes]], key: str, value: str) -> None:
        carrier.append((key, value.encode()))


@pytest.fixture(autouse=True)
def on(keys: dict[str, Any]) -> Iterator[None]:
    synthetic.configure(keys=keys)
    patches = Patches(noting_injections())
    patches.instrument()
    yield
    patches.uninstrument()


OWN = [None, "user=7", "by hand"]


@pytest.mark.parametrize("own", OWN)
def test_a_mapping_gets_its_own_baggage_back(own: str | None) -> None:
    if own == "by hand":
        with synthetic.simulated(run="own"):
            own = synthetic.headers()["baggage"]
    kept = {"x-own": "1"} if own is None else {"x-own": "1", "Baggage": own}
    before = dict(kept)
    for _ in range(2):
        with synthetic.simulated(run="rush-hour"):
            W3CBaggagePropagator().inject(kept)
            assert "synthetic-traffic" in kept["baggage"]
            sent = outgoing(kept)[0]
            assert sent is not None
            assert sent["baggage"].count(synthetic.headers()["baggage"]) == 1
        assert kept == before
        assert outgoing(kept)[0] is kept


@pytest.mark.parametrize("own", OWN[:2])
def test_a_list_gets_its_own_baggage_back(own: str | None) -> None:
    kept = [("x-own", b"1")] if own is None else [("x-own", b"1"), ("baggage", own.encode())]
    before = list(kept)
    with synthetic.simulated(run="rush-hour"):
        W3CBaggagePropagator().inject(kept, setter=Appending())
        sent = outgoing_pairs(kept)[0]
        assert next(value for name, value in sent if name == "baggage").startswith(b"synthetic-traffic=")
        assert str(sent).count("synthetic-traffic") == 1
    assert kept == before


def test_a_marker_of_the_callers_own_stays_in_the_callers_headers() -> None:
    with synthetic.simulated(run="rush-hour"):
        kept = synthetic.headers()
        outgoing(kept)
    assert "synthetic-traffic" in kept["baggage"]
    assert outgoing(kept)[0] is kept, "work in which nothing is decided sends what its caller wrote"


def test_the_patch_stays_while_one_integration_needs_it() -> None:
    other = Patches(noting_injections())
    other.instrument()
    other.uninstrument()
    test_a_mapping_gets_its_own_baggage_back(None)


def test_an_object_that_is_no_carrier_is_left_to_its_setter() -> None:
    seen: list[str] = []

    class Noting(Setter[object]):
        def set(self, carrier: object, key: str, value: str) -> None:
            seen.append(key)

    with synthetic.simulated(run="rush-hour"):
        W3CBaggagePropagator().inject(object(), setter=Noting())
    assert seen == ["baggage"]
