"""Draws a load test as SVG: the p99 of real requests over time, on a scale of powers of ten, and the dial below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from measured import Point, Run

LEFT, RIGHT, TOP, BOTTOM = 64, 620, 64, 290
DIAL_TOP, DIAL_BOTTOM = 318, 362
WIDTH, HEIGHT = 760, 400

STYLE = """
    text { fill: #1c2333; font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
    .title { font-size: 16px; font-weight: 700 }
    .soft { fill: #5b6478 }
    .axis { text-anchor: end }
    .middle { text-anchor: middle }
    .grid { stroke: #d5dae5 }
    .line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
    .dial { fill: #8346d9; fill-opacity: 0.3 }
    .first { stroke: #c2410c } text.first { stroke: none; fill: #c2410c; font-weight: 700 }
    .second { stroke: #2467d6 } text.second { stroke: none; fill: #2467d6; font-weight: 700 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6e9f2 }
      .soft { fill: #a3acc0 }
      .grid { stroke: #3b4355 }
      .dial { fill: #b58cf0; fill-opacity: 0.4 }
      .first { stroke: #fb923c } text.first { fill: #fb923c }
      .second { stroke: #7aa7ff } text.second { fill: #7aa7ff }
    }
"""


def chart(runs: Sequence[Run], seconds: float, users: int) -> str:
    """Return the picture of two runs of ``seconds``; ``users`` is the most that the dial asked for."""
    values = [point.p99 for run in runs for point in run.points if point.p99]
    low, high = _decades(values)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>The p99 of real requests while simulated users come and go</title>",
        f"<style>{STYLE}</style>",
        _text(LEFT, 24, "What real users feel of a load test", "title"),
        _text(LEFT, 44, "p99 of real requests of the last 2 seconds, in milliseconds", "soft"),
        *_scale(low, high),
        *_times(seconds),
    ]
    for run, style, ends in zip(runs, ("first", "second"), _apart(runs, low, high), strict=False):
        line = [(_x(point.second, seconds), _y(point.p99, low, high)) for point in run.points if point.p99]
        parts.append(f'<path class="line {style}" d="M{_joined(line)}"/>')
        parts.append(_text(RIGHT + 8, ends, run.name, style))
    parts += _dial(runs[-1].points, seconds, users)
    return "\n  ".join(parts) + "\n</svg>\n"


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Return the powers of ten below and above all values."""
    if not values:
        return 0, 3
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _x(second: float, seconds: float) -> float:
    return LEFT + (RIGHT - LEFT) * min(1.0, second / seconds)


def _y(value: float, low: int, high: int) -> float:
    return BOTTOM - (BOTTOM - TOP) * (math.log10(value) - low) / (high - low)


def _scale(low: int, high: int) -> Iterable[str]:
    for power in range(low, high + 1):
        y = _y(10.0**power, low, high)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>'
        yield _text(LEFT - 8, y + 4, f"{10.0**power:,g}", "axis soft")


def _times(seconds: float) -> Iterable[str]:
    step = next(step for step in (1, 2, 5, 10, 20, 60, 120) if seconds / step <= 8 or step == 120)
    for second in range(0, int(seconds) + 1, step):
        yield _text(_x(second, seconds), DIAL_BOTTOM + 20, f"{second} s", "middle soft")


def _apart(runs: Sequence[Run], low: int, high: int) -> list[float]:
    """Return where the name of each run stands: beside the end of its line, below or above the other's."""
    ends = [next((_y(p.p99, low, high) for p in reversed(run.points) if p.p99), BOTTOM) + 4 for run in runs]
    if len(ends) == 2 and abs(ends[0] - ends[1]) < 18:
        middle, order = sum(ends) / 2, 1 if ends[0] > ends[1] else -1
        ends = [middle + 9 * order, middle - 9 * order]
    return ends


def _dial(points: Sequence[Point], seconds: float, users: int) -> Iterable[str]:
    heights = [
        (_x(point.second, seconds), DIAL_BOTTOM - (DIAL_BOTTOM - DIAL_TOP) * point.users / users) for point in points
    ]
    if heights:
        yield f'<path class="dial" d="M{heights[0][0]:.1f} {DIAL_BOTTOM}L{_joined(heights)}V{DIAL_BOTTOM}Z"/>'
    yield f'<path class="grid" d="M{LEFT} {DIAL_BOTTOM}H{RIGHT}"/>'
    yield _text(LEFT - 8, DIAL_TOP + 8, f"{users}", "axis soft")
    yield _text(LEFT - 8, DIAL_BOTTOM, "0", "axis soft")
    yield _text(RIGHT + 8, DIAL_BOTTOM - 12, "simulated users", "soft")


def _joined(line: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in line) or "0 0"


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
