"""The matrix as data: ``expected.csv`` has one row per hop and telemetry, with the expected result of each case.

``python -m tests.matrix.table`` prints the page for it, docs/matrix.md.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from tests.matrix.cases import CASES

TELEMETRY = ("none", "contrib", "native")
Row = dict[str, str]

_FILE = Path(__file__).with_name("expected.csv")

_HEAD = """\
# What was tested

Every hop, with no OpenTelemetry instrumentation, with that of opentelemetry-python-contrib, and with the library's own
where it has one. A tick stands for the five cases, each sent twice, so that whatever one leaves behind meets the next:

| case | what is sent | what must arrive |
|---|---|---|
| real | no marker | real work, explicitly |
| simulated | a good marker | simulated work |
| forged | a marker signed with another secret | nothing: it is refused |
| two headers | a second `baggage` header, or the caller's own | simulated work |
| over-long | a good marker behind 9 KiB of other baggage | simulated work |

The test runs each row in a process of its own, over a real connection or a real broker (`tests/matrix/`). This page is
made from the table that it compares with. A dash: there is no such instrumentation, or the hop can't be in that case.

| hop | integration | none | contrib | native |
|---|---|:-:|:-:|:-:|
"""


def rows() -> list[Row]:
    """Every row, in the order of the file."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def expected(row: Row) -> dict[str, str]:
    """Return the expected result of each case that the hop supports."""
    return {case: row[case] for case in CASES if row[case]}


def page() -> str:
    """The page of the documentation."""
    return _HEAD + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    by_hop: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows():
        by_hop.setdefault((row["hop"], row["product"]), {})[row["telemetry"]] = row
    for (hop, product), found in by_hop.items():
        cells = [_cell(found.get(telemetry)) for telemetry in TELEMETRY]
        yield f"| {hop} | `{product}` | {' | '.join(cells)} |"


def _cell(row: Row | None) -> str:
    if row is None:
        return "–"
    missing = [case for case in CASES if not row[case]]
    return f"✓ without {', '.join(missing)}" if missing else "✓"


if __name__ == "__main__":
    print(page(), end="")
