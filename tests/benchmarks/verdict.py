"""``is_synthetic()``, beside the look-up in OpenTelemetry's baggage that one would write without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

from opentelemetry import baggage

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most, at_most_one_in
from tests.support.keys import shared_key

_STATES = (
    ("real", synthetic.real, at_most_one_in(4)),
    ("simulated", lambda: synthetic.simulated(run="bench"), at_most_one_in(4)),
    ("unset", nullcontext, at_most(1.1)),
)


def asked(effort: Effort) -> Iterator[Row]:
    """With a verdict of either kind, and without."""
    ours = statement("is_synthetic()", is_synthetic=synthetic.is_synthetic)
    peer = statement("get_baggage('synthetic-traffic')", get_baggage=baggage.get_baggage)
    with synthetic.configured(keys=shared_key()):
        for state, around, goal in _STATES:
            times = interleaved({"ours": Case(ours, around), "peer": Case(peer, around)}, effort.rounds)
            yield Row(
                f"is_synthetic(), verdict {state}", times.of("ours"), "baggage.get_baggage", times.of("peer"), goal
            )
