"""What the demo is for: everybody's lists compared with what the sinks saw."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

SHOWN = 8
"""Rows shown of each difference."""


@dataclass
class Sinks:
    """The rides that each place saw, as often as it saw them."""

    stored: list[str] = field(default_factory=list)
    charged: list[str] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)
    mailed: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)


@dataclass
class Rides:
    """What riders of one kind did: the rides they asked for and those that ended with a receipt."""

    asked: Sequence[str]
    completed: Sequence[str]
    strangers: Sequence[str] = ()
    failures: Sequence[str] = ()


@dataclass
class Refusals:
    """What must be refused, of one kind: the rides it was sent for, those refused as they should be, and what came
    instead."""

    name: str
    sent: Sequence[str]
    refused: Sequence[str]
    surprises: Sequence[str] = ()


def read_sinks(folder: Path) -> Sinks:
    return Sinks(
        stored=_rows(folder / "rides.db", "SELECT ride FROM rides"),
        charged=_rows(folder / "payments.db", "SELECT ride FROM charges"),
        counted=_lines(folder / "analytics.txt"),
        mailed=_lines(folder / "mail.txt"),
        looked_up=_lines(folder / "maps.txt"),
    )


def _rows(path: Path, query: str) -> list[str]:
    books = sqlite3.connect(path)
    try:
        return [ride for (ride,) in books.execute(query)]
    finally:
        books.close()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def report(real: Rides, simulated: Rides, refusals: Sequence[Refusals], sinks: Sinks, console: Console) -> int:
    """Print the tables and every difference; return the exit code: 0, or 1 where there is a difference."""
    console.print(_rides_table(real, simulated, sinks))
    console.print(_refusals_table(refusals))
    differences = [
        *_of_rides(real, simulated),
        *_of_sinks(real, _origins(real, simulated, refusals), sinks),
        *_of_refusals(refusals),
    ]
    for what, rows in differences:
        console.print(f"DIFFERENCE: {what}", style="bold red", highlight=False)
        for row in rows[:SHOWN]:
            console.print(f"  {row}", markup=False, highlight=False, soft_wrap=True)
        if len(rows) > SHOWN:
            console.print(f"  and {len(rows) - SHOWN} more", highlight=False)
    if differences:
        return 1
    console.print("No difference: every real ride is in the books once, and nothing else is.", style="bold green")
    return 0


def _rides_table(real: Rides, simulated: Rides, sinks: Sinks) -> Table:
    table = Table("rides", title="What the riders did, and what the sinks saw", min_width=60)
    table.add_column("real", justify="right")
    table.add_column("simulated", justify="right")
    table.add_column("anybody else", justify="right")
    table.add_row("asked for", str(len(real.asked)), str(len(simulated.asked)), "")
    table.add_row("completed", str(len(real.completed)), str(len(simulated.completed)), "", end_section=True)
    ours, theirs = set(real.asked), set(simulated.asked)
    for name, seen in _places(sinks):
        of_real = sum(ride in ours for ride in seen)
        of_simulated = sum(ride in theirs for ride in seen)
        table.add_row(name, str(of_real), str(of_simulated), str(len(seen) - of_real - of_simulated))
    return table


def _refusals_table(refusals: Sequence[Refusals]) -> Table:
    table = Table("must be refused", title="Bad markers, and a call to a host that takes no part", min_width=60)
    table.add_column("sent", justify="right")
    table.add_column("refused", justify="right")
    for kind in refusals:
        table.add_row(kind.name, str(len(kind.sent)), str(len(kind.refused)))
    return table


def _places(sinks: Sinks) -> Iterable[tuple[str, list[str]]]:
    yield "stored in the books", sinks.stored
    yield "charged by payments", sinks.charged
    yield "counted by analytics", sinks.counted
    yield "mailed", sinks.mailed
    yield "looked up by the map vendor", sinks.looked_up


Difference = tuple[str, list[str]]


def _origins(real: Rides, simulated: Rides, refusals: Sequence[Refusals]) -> dict[str, str]:
    origins = {ride: kind.name for kind in refusals for ride in kind.sent}
    origins.update(dict.fromkeys(simulated.asked, "simulated"))
    origins.update(dict.fromkeys(real.asked, "real"))
    return origins


def _of_rides(real: Rides, simulated: Rides) -> Iterable[Difference]:
    for name, rides in (("real", real), ("simulated", simulated)):
        if not rides.completed:
            yield f"no {name} ride was completed", []
        open_rides = sorted((Counter(rides.asked) - Counter(rides.completed)).elements())
        if open_rides:
            yield f"{name} rides that were asked for and not completed", open_rides
        if rides.strangers:
            yield f"{name} rides whose driver was not {name}", list(rides.strangers)
        if rides.failures:
            yield f"what failed for {name} riders and drivers", list(rides.failures)


def _of_sinks(real: Rides, origins: dict[str, str], sinks: Sinks) -> Iterable[Difference]:
    expected = Counter(real.asked)
    for name, seen in _places(sinks):
        present = Counter(seen)
        missing = sorted((expected - present).elements())
        if missing:
            yield f"real rides that were not {name}", missing
        surplus = sorted((present - expected).elements())
        if surplus:
            rows = [f"{ride}  {_surplus(origins.get(ride, 'nobody knows whose'))}" for ride in surplus]
            yield f"rides that should not have been {name}, or not twice", rows


def _surplus(origin: str) -> str:
    return "real, once too often" if origin == "real" else origin


def _of_refusals(refusals: Sequence[Refusals]) -> Iterable[Difference]:
    for kind in refusals:
        if not kind.sent:
            yield f"{kind.name}: none was sent", []
        lost = sorted(set(kind.sent) - set(kind.refused))
        if kind.surprises or lost:
            yield f"{kind.name}: not refused, or for another reason", list(kind.surprises or lost)
