"""The rows, and how they are printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

HEADINGS = ("what", "this library", "compared with", "its value", "ratio", "goal", "")


@dataclass(frozen=True)
class Goal:
    """What the ratio of ours to the peer's must not exceed or, for ``at_least``, must reach."""

    text: str
    limit: float
    at_least: bool = False

    def is_met(self, ratio: float) -> bool:
        return ratio >= self.limit if self.at_least else ratio <= self.limit


def at_most(limit: float) -> Goal:
    return Goal(f"<= {limit:.2f}", limit)


def at_most_one_in(parts: float) -> Goal:
    return Goal(f"<= 1/{parts:g}", 1 / parts)


def at_most_percent(limit: float) -> Goal:
    return Goal(f"<= {limit:g} %", limit / 100)


def at_least(limit: float) -> Goal:
    return Goal(f">= {limit:.2f}", limit, at_least=True)


@dataclass(frozen=True)
class Row:
    """One line of the table: ours and the peer's in the same ``unit`` (``ns``, or something per second)."""

    what: str
    ours: float
    against: str
    peer: float
    goal: Goal | None = None
    unit: str = "ns"

    @property
    def ratio(self) -> float:
        return self.ours / self.peer

    @property
    def is_missed(self) -> bool:
        return self.goal is not None and not self.goal.is_met(self.ratio)

    def cells(self) -> tuple[str, ...]:
        met = "" if self.goal is None else "MISSED" if self.is_missed else "met"
        goal = self.goal.text if self.goal else "–"
        return (self.what, self._value(self.ours), self.against, self._value(self.peer), self._ratio(), goal, met)

    def _ratio(self) -> str:
        goal = self.goal.text if self.goal else ""
        if goal.endswith("%"):
            return f"{100 * self.ratio:.1f} %"
        if "/" in goal and self.ratio > 0:
            return f"1/{1 / self.ratio:.1f}"
        return f"{self.ratio:.2f}"

    def _value(self, value: float) -> str:
        if self.unit != "ns":
            return f"{value:,.0f} {self.unit}"
        if abs(value) < 10_000:
            return f"{value:,.0f} ns"
        return f"{value / 1e3:.1f} µs" if abs(value) < 1e7 else f"{value / 1e6:.1f} ms"


def plain(rows: Iterable[Row]) -> str:
    """The table for a terminal."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(_line(cells, widths) for cells in lines)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    left = (0, 2)
    padded = (
        cell.ljust(width) if position in left else cell.rjust(width)
        for position, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def markdown(rows: Iterable[Row]) -> str:
    """The table for docs/performance.md; that of ``missed`` says which miss their goals."""
    return _markdown(HEADINGS[:-1], (row.cells()[:-1] for row in rows))


def missed(rows: Iterable[Row]) -> str:
    """The table for docs/performance.md of rows that miss their goals."""
    what, _, against, _, ratio, goal, _ = HEADINGS
    cells = (row.cells() for row in rows)
    return _markdown((what, against, ratio, goal), ((row[0], row[2], row[4], row[5]) for row in cells))


def _markdown(headings: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    rules = tuple("---" if heading in ("what", "compared with") else "--:" for heading in headings)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rules, *lines))
