"""The health of a run on the terminal: a table that changes in place. Without one, the log has a line per change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from synthetic_locust._health import Health
from synthetic_locust._tally import Tally

__all__ = ["Terminal"]

_COLOURS: Final = {"healthy": "green", "failing": "red", "stale": "yellow", "unknown": "dim"}


class Terminal:
    """Shows a run in place. ``headline`` returns the line above the table."""

    def __init__(self, health: Health, tally: Tally, headline: Callable[[], str]) -> None:
        self._health = health
        self._tally = tally
        self._headline = headline
        self._live: Any = None

    def show(self) -> None:
        """Begin, if standard output is a terminal."""
        if not sys.stdout.isatty():
            return
        from rich.live import Live

        # The log goes through the same console, above the table.
        self._live = Live(self._table(), auto_refresh=False, redirect_stdout=True, redirect_stderr=True)
        self._live.start()

    def refresh(self) -> None:
        """Show what is known now."""
        if self._live is not None:
            self._live.update(self._table(), refresh=True)

    def close(self) -> None:
        """Leave the last table on the terminal."""
        if self._live is not None:
            self.refresh()
            self._live.stop()
            self._live = None

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self._headline(), title_justify="left", expand=False)
        for name in ("journey", "health", "completed", "failed", "shed", "last failure"):
            table.add_column(name, justify="right" if name in ("completed", "failed", "shed") else "left")
        for name, state in self._health.states().items():
            completed, failed = self._health.window_of(name)
            failure = self._tally.failures.get(name)
            table.add_row(
                name,
                Text(state, style=_COLOURS[state]),
                f"{completed:,}",
                f"{failed:,}",
                f"{self._tally.of(name, 'shed'):,}",
                "" if failure is None else f"{failure.step}: {failure.cause}",
            )
        return table
