"""Every hop × OpenTelemetry or not × every case, each row in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.matrix.__main__ import all_hops
from tests.matrix.cases import CASES
from tests.matrix.table import Row, expected, page, rows
from tests.support.servers import environment
from tests.support.versions import AIOKAFKA, HTTPX2, skip_before

RULE = {
    "real": "real",
    "simulated": "simulated",
    "forged": "refused",
    "two headers": "simulated",
    "over-long": "simulated",
}

NEWER = {
    ("aiokafka", "contrib"): AIOKAFKA,
    ("asgi", "native"): ("opentelemetry-instrumentation-asgi", "0.49b0", "lacks an argument that Litestar gives"),
    ("fastapi", "native"): ("fastapi", "0.142", "has no telemetry of its own"),
    ("httpx2", "contrib"): HTTPX2,
    ("starlette", "native"): ("starlette", "1.7", "has no telemetry of its own"),
}
"""By product and telemetry, the rows that need a newer version than the oldest supported."""


@pytest.mark.long
@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['hop']}-{row['telemetry']}")
def test_what_is_sent_is_what_arrives(row: Row) -> None:
    if needed := NEWER.get((row["product"], row["telemetry"])):
        skip_before(*needed)
    command = [sys.executable, "-m", "tests.matrix", row["hop"], row["telemetry"]]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    print(row["hop"], row["telemetry"], seen)
    assert seen == expected(row)


def test_every_row_that_needs_a_newer_version_is_in_the_table() -> None:
    assert NEWER.keys() <= {(row["product"], row["telemetry"]) for row in rows()}


def test_the_table_says_what_the_one_rule_says() -> None:
    for row in rows():
        assert expected(row).items() <= RULE.items(), row
        assert {"real", "simulated", "forged"} <= expected(row).keys(), row


def test_the_table_has_every_hop_with_whatever_opentelemetry_has_for_it() -> None:
    offered = {
        (name, hop.product, telemetry, hop.cases)
        for name, hop in all_hops().items()
        for telemetry in ("none", *hop.telemetry)
    }
    told = {
        (row["hop"], row["product"], row["telemetry"], tuple(case for case in CASES if row[case])) for row in rows()
    }
    assert told == offered


def test_the_page_of_the_documentation_is_made_from_the_table() -> None:
    assert (Path(__file__).parents[2] / "docs/matrix.md").read_text(encoding="utf-8") == page()
