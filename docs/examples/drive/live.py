"""What goes on while it goes on: a table that changes in place on a terminal, a line a second elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table

from measured import Point, Run

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 30


class Display:
    """Shows both runs; a ``with`` block."""

    def __init__(self, console: Console, runs: Sequence[Run]) -> None:
        self._console = console
        self._runs = runs
        is_live = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False, transient=True) if is_live else None
        self._said = -1

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def note(self, text: str) -> None:
        """Say something above the table."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
        self._console.file.flush()

    def show(self, run: Run, point: Point) -> None:
        """Show the latest point of a run."""
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
        elif int(point.second) != self._said:
            self._said = int(point.second)
            self.note(
                f"{point.second:4.0f} s  {run.name:<12}  {point.users:3} users   real p50 {ms(point.p50):>9}  "
                f"p99 {ms(point.p99):>9}   simulated {point.answered:4.0f}/s answered {point.shed:4.0f}/s shed"
            )

    def _table(self) -> Table:
        table = Table(title="Real riders while the dial goes up and down", title_justify="left")
        for name in ("", "users", "real p50", "real p99", "simulated/s", "shed/s", "real p99 over time"):
            table.add_column(name, justify="left" if name in ("", "real p99 over time") else "right", no_wrap=True)
        for run in self._runs:
            if not run.points:
                table.add_row(run.name)
                continue
            now = run.points[-1]
            row = f"{now.users}", ms(now.p50), ms(now.p99), f"{now.answered:.0f}", f"{now.shed:.0f}", spark(run.points)
            table.add_row(run.name, *row)
        return table


def ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"


def spark(points: Sequence[Point]) -> str:
    """Draw the p99 as bars, from 4 ms to 4 s."""
    step = max(1, math.ceil(len(points) / WIDTH))
    heights = (point.p99 for point in points[::step])
    return "".join(
        " " if p99 is None else BARS[min(7, max(0, int(8 * math.log(max(p99, 1) / 4) / math.log(1000))))]
        for p99 in heights
    )
