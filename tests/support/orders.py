"""The orders in which a program switches this library and OpenTelemetry's instrumentation on and off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

ORDERS = {
    "inside": ("theirs on", "ours on", "theirs off", "ours off", "ours on", "ours off"),
    "outside": ("ours on", "theirs on", "ours off", "theirs off", "ours on", "ours off"),
    "outside-twice": ("ours on", "theirs on", "ours off", "ours on", "theirs off", "ours off"),
}


def orders(**more: Sequence[str]) -> pytest.MarkDecorator:
    """Run a test with the ``steps`` of each order, and of these."""
    every = {**ORDERS, **more}
    return pytest.mark.parametrize("steps", every.values(), ids=every)


def switched(steps: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Each step, and whether this library is on after it."""
    is_on = False
    for step in steps:
        is_on = step == "ours on" or (is_on and step != "ours off")
        yield step, is_on
