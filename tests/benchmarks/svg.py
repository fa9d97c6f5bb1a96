"""Rows as a picture: a bar for each time and for what it is compared with, on a log scale."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from math import log10

from tests.benchmarks.table import Row

_LEFT, _WIDTH, _LINE = 420, 420, 26


def bars(rows: Iterable[Row]) -> str:
    """Return an SVG document with the rows whose unit is a time."""
    values: dict[str, float] = {}
    for row in rows:
        if row.unit == "ns":
            name = row.what.partition(":")[0]
            values.setdefault(f"{name.partition(',')[0]}, {row.against}", row.peer)
            values[name] = row.ours
    times = {name: value for name, value in values.items() if value > 0}
    least = min(times.values(), default=1.0) / 2
    decades = log10(max(times.values(), default=1.0) / least)
    lines = [_bar(at, name, value, log10(value / least) / decades) for at, (name, value) in enumerate(times.items())]
    size = f'viewBox="0 0 {_LEFT + _WIDTH + 100} {_LINE * len(lines) + 10}"'
    style = "text { font: 13px sans-serif; fill: #888 } rect { fill: #4a7ebb }"
    body = "\n".join(lines)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{style}</style>\n{body}\n</svg>\n'


def _bar(at: int, name: str, nanoseconds: float, part: float) -> str:
    y = at * _LINE + 5
    width = max(1, round(part * _WIDTH))
    label = f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>'
    value = f'<text x="{_LEFT + width + 8}" y="{y + 14}">{nanoseconds / 1e6:,.1f} ms</text>'
    return f'{label}<rect x="{_LEFT}" y="{y}" width="{width}" height="{_LINE - 8}"/>{value}'
