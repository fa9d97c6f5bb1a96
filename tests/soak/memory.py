"""How much memory processes use, over time."""

from __future__ import annotations

from pathlib import Path
from statistics import linear_regression

_BARS = "▁▂▃▄▅▆▇█"


def used(process: int) -> float:
    """Return a process's own memory in MB: what it has written to, without what it shares (USS)."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return (kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]) / 1024


class Series:
    """Samples of one process's memory."""

    def __init__(self, name: str, process: int) -> None:
        self.name = name
        self._process = process
        self._hours: list[float] = []
        self._megabytes: list[float] = []

    def sample(self, hours: float) -> None:
        """Look once."""
        self._hours.append(hours)
        self._megabytes.append(used(self._process))

    def slope(self, after: float) -> float:
        """Return the growth in MB an hour, by least squares, ``after`` so many hours; 0 for too few samples."""
        first = next((index for index, hours in enumerate(self._hours) if hours >= after), len(self._hours))
        if len(self._hours) - first < 3:
            return 0.0
        return linear_regression(self._hours[first:], self._megabytes[first:]).slope

    def plot(self, width: int = 60) -> str:
        """Return a line of bars, from the least to the most that was used, with both."""
        step = max(1, -(-len(self._megabytes) // width))
        values = self._megabytes[::step]
        least, most = min(values), max(values)
        span = (most - least) or 1.0
        bars = "".join(_BARS[round((value - least) / span * (len(_BARS) - 1))] for value in values)
        return f"{self.name:8} {bars} {least:.1f} to {most:.1f} MB"
