"""What every hop saw, in Postgres: one row for each visit of a piece of work."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable

import psycopg

import synthetic

HOPS = ("front", "thread", "celery", "kafka", "grpc", "back")

_local = threading.local()


def connection() -> psycopg.Connection[tuple[str, ...]]:
    """The connection of this thread."""
    if not hasattr(_local, "connection"):
        # A crash of the database may lose rows here, and waiting for the disk is slow.
        options = "-c synchronous_commit=off"
        _local.connection = psycopg.connect(os.environ["E2E_POSTGRES"], autocommit=True, options=options)
    return _local.connection


def create() -> None:
    connection().execute("create table seen (hop text not null, id text not null, verdict text not null)")
    connection().execute("create index on seen (hop, id)")


def record(hop: str, id_: str) -> int:
    """Record the verdict on the current work and return how often this hop has seen it, including now."""
    marker = synthetic.current()
    verdict = "real" if marker is None else f"simulated {marker.run} {marker.actor}"
    row = (hop, id_, verdict)
    connection().execute("insert into seen values (%s, %s, %s)", row)
    (count,) = connection().execute("select count(*) from seen where hop = %s and id = %s", row[:2]).fetchone() or (0,)
    return int(count)


def seen() -> Iterable[tuple[str, str, str, int]]:
    """Return hop, work, verdict and count."""
    rows = connection().execute("select hop, id, verdict, count(*) from seen group by 1, 2, 3")
    return rows.fetchall()  # type: ignore[return-value]


def arrived() -> int:
    """Return how many pieces of work have reached the last hop."""
    row = connection().execute("select count(distinct id) from seen where hop = 'back'").fetchone()
    return int(row[0]) if row else 0


def is_one_in(parts: int, id_: str) -> bool:
    """Return whether to inject a failure for this work. The choice is always the same."""
    return int(id_.partition("-")[2]) % parts == 0
