"""How a client integration is switched on and off, and OpenTelemetry's beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.client import ClientContract
from tests.support.clients import THEIRS, run_script
from tests.support.recording_server import RecordingServer
from tests.support.switches import by_opentelemetry, instrumented, made_or_skipped, same


class SwitchedContract(ClientContract):
    """A subclass gives the product's module in ``tests.products``."""

    product: Any

    original: list[Any]
    """``product.patched()``, from before anything was instrumented."""

    @property
    def instrumentors(self) -> tuple[Callable[[], Any], ...]:
        """OpenTelemetry's for the library and for what is below it."""
        return (self.product.instrumentor,)

    @pytest.fixture
    def opentelemetry(self) -> Iterator[None]:
        with by_opentelemetry(*self.instrumentors):
            yield


class Instrumented(SwitchedContract):
    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        with instrumented(self.product.NAME):
            assert not same(self.product.patched(), self.original)
            yield
        assert same(self.product.patched(), self.original)


class InsideOpenTelemetry(Instrumented):
    """OpenTelemetry's instrumentation was on first."""

    keeps_foreign = False

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        with by_opentelemetry(*self.instrumentors), instrumented(self.product.NAME):
            yield

    @pytest.fixture
    def opentelemetry(self, _instrumented: None) -> None:
        """Is on already."""


IN_AN_ORDER = """
import sys
from importlib import import_module

import synthetic
from tests.support.switches import same

product = import_module(sys.argv[1])
synthetic.configure(internal_hosts=["127.0.0.1"])
theirs = product.instrumentor()
synthetic.instrument("logging")  # or simulated work could not begin while ours is off
steps = {
    "ours on": lambda: synthetic.instrument(product.NAME),
    "ours off": lambda: synthetic.uninstrument(product.NAME),
    "theirs on": theirs.instrument,
    "theirs off": theirs.uninstrument,
}
original = product.patched()
for step in sys.argv[3:]:
    steps[step]()
    with synthetic.simulated(run="rush-hour"):
        try:
            product.get(sys.argv[2])
            print("sent")
        except synthetic.EffectRefused:
            print("refused")
assert same(product.patched(), original)
"""


class OrderContract:
    product: Any

    @pytest.mark.parametrize(
        "steps",
        [
            ("theirs on", "ours on", "theirs off", "ours off", "ours on", "ours off"),
            ("ours on", "theirs on", "ours off", "theirs off", "ours on", "ours off"),
            ("ours on", "theirs on", "ours off", "ours on", "theirs off", "ours off"),
        ],
        ids=["inside", "outside", "outside-twice"],
    )
    def test_ours_is_on_from_instrument_to_uninstrument_whatever_opentelemetry_does(
        self, server: RecordingServer, keys: dict[str, Any], steps: tuple[str, ...]
    ) -> None:
        """And in the end nothing of either is left."""
        made_or_skipped(self.product.instrumentor)
        arguments = (self.product.__name__, server.url(host=THEIRS), *steps)
        is_on = False
        for step, seen in zip(steps, run_script(IN_AN_ORDER, *arguments, keys=keys).splitlines(), strict=True):
            is_on = step == "ours on" or (is_on and step != "ours off")
            assert seen == ("refused" if is_on else "sent"), step
