"""The cases of the matrix at both ends of a hop: what is sent, and the verdict on what arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import baggage, context

import synthetic
from synthetic.integration import Entrance, Refused
from tests.support.keys import entry, mint, shared_key
from tests.support.wire import get

RUN = "matrix"
CASES = ("real", "simulated", "forged", "two headers", "over-long")

_OTHER = "vendor=1,user=7"
_LONG = f"big={'x' * 9000}"


@dataclass(frozen=True)
class Case:
    """One case for one hop. ``keys`` are the configured keys of the process."""

    name: str
    keys: Mapping[str, Any] = field(repr=False)

    def headers(self) -> list[str]:
        """The ``baggage`` headers from a sender without this library, in order."""
        good = entry(mint(dict(self.keys), claims={"run": RUN}))
        return {
            "real": [],
            "simulated": [good],
            "forged": [entry(mint(shared_key(self.keys["keys"][-1]["kid"]), claims={"run": RUN}))],
            "two headers": [_OTHER, good],
            "over-long": [f"{_LONG},{good}"],
        }[self.name]

    def joined(self) -> str | None:
        """The same headers for a carrier that allows one header per name."""
        return ",".join(self.headers()) or None

    @contextmanager
    def work(self) -> Iterator[str | None]:
        """Run the block as the work of the sender. Yields the ``baggage`` that the caller adds itself, or None."""
        if self.name == "real":
            with synthetic.real():
                yield None
        elif self.name == "forged":
            _, _, token = self.headers()[0].partition("=")
            attached = context.attach(baggage.set_baggage("synthetic-traffic", token))
            try:
                yield None
            finally:
                context.detach(attached)
        else:
            with synthetic.simulated(run=RUN, kind="load"):
                yield {"two headers": _OTHER, "over-long": _LONG}.get(self.name)


def judged(headers: Sequence[str]) -> str:
    """Return the verdict of a receiving service on the ``baggage`` headers."""
    decision = Entrance(edge=True, on_unverified="refuse", on_missing="real").decide(headers)
    return "refused" if isinstance(decision, Refused) else in_force(decision.verdict.marker)


def answered(case: Case, port: int, path: str = "/") -> str:
    """What a service that answers a request with what it has ``seen`` says."""
    response = get(port, path, [("baggage", value) for value in case.headers()])
    if response.status == 403:
        return "refused"
    assert response.status == 200, response
    return response.body.decode()


def seen() -> str:
    """Return the verdict on the current work in the words of the matrix, for a handler to report."""
    try:
        return in_force(synthetic.current())
    except synthetic.UnverifiedMarker:
        return "refused"


def in_force(marker: synthetic.Marker | None) -> str:
    return of_run(marker and marker.run)


def of_run(run: str | None) -> str:
    """Work of this run, or real work for None, in the words of the matrix."""
    return {None: "real", RUN: "simulated"}[run]


@dataclass(frozen=True)
class Hop:
    """One way over which work goes on.

    ``product`` is the integration, by its extra. ``pass_on`` sends one case over the hop and returns what the other end
    made of it: real, simulated, or refused. ``telemetry`` has what OpenTelemetry offers for it, ``contrib`` or
    ``native``, each a function that switches it on for the rest of the process. ``servers`` are up meanwhile;
    ``pass_on`` gets what they give. ``cases`` are those that the hop can be in. ``brokers`` names functions of
    tests.support.brokers: these are slow to start, so all rows share them, and ``servers`` gets their addresses.
    """

    name: str
    product: str
    pass_on: Callable[[Case, Any], str]
    telemetry: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    servers: Callable[..., AbstractContextManager[Any]] = nullcontext
    cases: tuple[str, ...] = CASES
    brokers: tuple[str, ...] = ()
