"""What goes on while it goes on: a live display on a terminal, a line a second elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn


def show(
    console: Console, begin: float, seconds: float, counts: Callable[[], str], is_busy: Callable[[], bool]
) -> None:
    """Show ``counts()`` for as long as ``is_busy()``; the clock is ``time.monotonic()``."""
    if console.is_terminal and not console.is_dumb_terminal:
        _live(console, begin, seconds, counts, is_busy)
    else:
        _lines(console, begin, counts, is_busy)


def _live(
    console: Console, begin: float, seconds: float, counts: Callable[[], str], is_busy: Callable[[], bool]
) -> None:
    columns = BarColumn(bar_width=24), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(counts(), total=seconds)
        while is_busy():
            progress.update(task, completed=min(time.monotonic() - begin, seconds), description=counts())
            time.sleep(0.1)


def _lines(console: Console, begin: float, counts: Callable[[], str], is_busy: Callable[[], bool]) -> None:
    due = begin
    while is_busy():
        now = time.monotonic()
        if now >= due:
            console.print(f"{now - begin:4.0f} s  {counts()}", highlight=False, soft_wrap=True)
            console.file.flush()
            due += 1
        time.sleep(0.1)
