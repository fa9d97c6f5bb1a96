"""Every hop, with and without OpenTelemetry, in every case. Each row runs in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.matrix.__main__ import hops_of, modules
from tests.matrix.cases import CASES, Hop
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
"""Product and telemetry of each row that needs more than the oldest supported version."""

ADDRESSES = {"aws": "aws_url", "rabbitmq": "rabbitmq_port"}
"""The fixtures for the brokers that rows share."""


@cache
def all_hops() -> dict[str, tuple[str, Hop]]:
    """Every hop and the module it is in, by the hop's name."""
    return {name: (module, hop) for module in modules() for name, hop in hops_of(module).items()}


@pytest.mark.long
@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['hop']}-{row['telemetry']}")
def test_each_hop_gives_the_verdicts_in_the_table(row: Row, request: pytest.FixtureRequest) -> None:
    if needed := NEWER.get((row["product"], row["telemetry"])):
        skip_before(*needed)
    module, hop = all_hops()[row["hop"]]
    addresses = [json.dumps(request.getfixturevalue(ADDRESSES[name])) for name in hop.brokers]
    command = [sys.executable, "-m", "tests.matrix", module, row["hop"], row["telemetry"], *addresses]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=300)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    print(row["hop"], row["telemetry"], seen)
    assert seen == expected(row)


def test_every_row_that_needs_a_newer_version_is_in_the_table() -> None:
    assert NEWER.keys() <= {(row["product"], row["telemetry"]) for row in rows()}


def test_the_table_follows_the_one_rule() -> None:
    for row in rows():
        assert expected(row).items() <= RULE.items(), row
        assert {"real", "simulated", "forged"} <= expected(row).keys(), row


def test_the_table_has_every_hop_with_every_opentelemetry_instrumentation() -> None:
    offered = {
        (name, hop.product, telemetry, hop.cases)
        for name, (_, hop) in all_hops().items()
        for telemetry in ("none", *hop.telemetry)
    }
    told = {
        (row["hop"], row["product"], row["telemetry"], tuple(case for case in CASES if row[case])) for row in rows()
    }
    assert told == offered


def test_the_documentation_page_is_made_from_the_table() -> None:
    assert (Path(__file__).parents[2] / "docs/matrix.md").read_text(encoding="utf-8") == page()
