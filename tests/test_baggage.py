"""Our entry in raw baggage headers is found in every spelling, put first and removed. Nothing else changes."""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from synthetic._wire.baggage import NOTHING, TOO_LONG, _plain_member, entry_of, find, forward, merge
from synthetic._wire.spelling import entry_pattern, name_pattern
from tests.support.fuzz import FOREIGN

try:
    from re import _constants, _parser
except ImportError:  # Python 3.10
    import sre_constants as _constants  # type: ignore[no-redef]
    import sre_parse as _parser  # type: ignore[no-redef]

KEY = "synthetic-traffic"
OURS = "synthetic-traffic=a.b.c"


@pytest.mark.parametrize("header", [*FOREIGN, ",".join(FOREIGN), ",,,", "", "a=1;p=synthetic-traffic"])
def test_our_entry_is_not_found_in_foreign_headers(header: str) -> None:
    assert find((header,), KEY) == NOTHING
    assert find((header, header), KEY).is_empty


@pytest.mark.parametrize(
    "header",
    [
        "synthetic-traffic=a.b.c",
        " synthetic-traffic=a.b.c",
        "synthetic-traffic \t=\t a.b.c\t",
        "synthetic-traffic=a.b.c;p",
        "synthetic-traffic=a.b.c ; p = 1 ; q",
        "synthetic-traffic=a.b.c,synthetic-traffic=a.b.c",
        ",,synthetic-traffic=a.b.c,,",
    ],
)
def test_our_entry_is_found_with_white_space_properties_and_duplicates(header: str) -> None:
    found = find((header,), KEY)
    assert (found.values, found.odd, found.is_clean) == (("a.b.c",), (), True)


@pytest.mark.parametrize(
    "header",
    [
        "synthetic-traffic",
        "synthetic-traffic=",
        "synthetic-traffic;p",
        "synthetic-traffic;p=a.b.c",
        "synthetic-traffic;=a.b.c",
        "synthetic-traffic= ;a.b.c",
    ],
)
def test_a_bare_key_has_an_empty_value_and_properties_are_ignored(header: str) -> None:
    assert find((header,), KEY).values == ("",)


def test_different_values_are_returned_byte_for_byte_in_order() -> None:
    headers = ("synthetic-traffic=2,synthetic-traffic=1", "synthetic-traffic=2;p,synthetic-traffic=%32")
    assert find(headers, KEY).values == ("2", "1", "%32")


def test_foreign_bytes_are_kept_unchanged() -> None:
    header = f" userId=Am%C3%A9lie , {OURS} ;p,, k =\tv;p = 1,name=\xe9"
    assert find((header, "x=1", OURS), KEY).foreign == (" userId=Am%C3%A9lie ,, k =\tv;p = 1,name=\xe9", "x=1")


@pytest.mark.parametrize(
    "headers",
    [
        ("syn%74hetic-traffic=x",),
        ("%73%79%6e%74%68%65%74%69%63%2D%74%72%61%66%66%69%63=x",),
        ("+synthetic-traffic=x",),
        ("synthetic-traffic+=x",),
        ("a=1,%20synthetic-traffic=x",),
        ("synthetic-traffic%09=x",),
        ("synthetic-traffic%C2%A0=x",),
        ("synthetic-traffic\xc2\xa0=x",),
        ("\xe2\x80\x83synthetic-traffic=x",),
        ("synthetic-traffic\xa0=x",),
        ("synthetic-traffic\x0b=x",),
        ("synthetic-traffic\x1f=x",),
        ("\\x73ynthetic-traffic=x,b=\xff",),
        ("\\163ynthetic-traffic=x,b=\xff",),
        ("\\u0073ynthetic-traffic=x", "b=\xff"),
        ("\\N{LATIN SMALL LETTER S}ynthetic-traffic=x,b=\xff",),
        ("a=1\\x2csynthetic-traffic=x,b=\xff",),
        ("a=1\\054synthetic-traffic\\x3dx,b=\xff",),
        ("\\x2573ynthetic-traffic=x,b=\xff",),
        ("synthetic-traffic=x,%73ynthetic-traffic=x",),
        ("synthetic-traffic=x;\\x2csynthetic-traffic=y,b=\xff",),
        ("syn%2574hetic-traffic=x",),
        ("%" + "25" * 1000 + "73ynthetic-traffic=x",),
        ("%%37%33ynthetic-traffic=x",),
        ("%2Bsynthetic-traffic=x",),
        ("%2520" * 1000 + "synthetic-traffic=x",),
        ("\xef\xbb\xbfsynthetic-traffic=x",),
        ("\ufeffsynthetic-traffic=x",),
        ("%EF%BB%BFsynthetic-traffic%25EF%25BB%25BF=x",),
        ("\\ufeffsynthetic-traffic=x,b=\xff",),
    ],
)
def test_an_oddly_spelled_entry_is_found_and_can_be_removed(headers: tuple[str, ...]) -> None:
    found = find(headers, KEY)
    assert "x" in found.odd or "y" in found.odd
    assert found.is_clean
    assert find(found.foreign, KEY).is_empty


@pytest.mark.parametrize(
    "headers",
    [
        ("\\x73ynthetic-traffic=x",),
        ("a=1\\x2csynthetic-traffic=x",),
        ("\\\\x73ynthetic-traffic=x,b=\xff",),
        ("\\x73ynthetic-traffic=x,b=\xc3\xa9",),
        ("syn%2553hetic-traffic=x",),
        ("%EF%BB%BE" + "synthetic-traffic=x",),
        ("%%37%34ynthetic-traffic=x",),
        ("%73" * 20_000 + "=x",),
        ("%" * 60_000 + "synthetic-traffic=x",),
        ("%53ynthetic-traffic=x",),
        ("a%2csynthetic-traffic=x",),
    ],
)
def test_entries_that_no_reader_takes_for_ours_are_left_alone(headers: tuple[str, ...]) -> None:
    assert find(headers, KEY) == NOTHING


def test_odd_entries_show_their_values_in_every_reading() -> None:
    headers = ("%73ynthetic-traffic=junk,\\x73ynthetic-traffic=a.b.c,b=\xff",)
    assert {"junk", "a.b.c"} <= set(find(headers, KEY).odd)


@pytest.mark.parametrize(
    "header", ["a=\udcff%41", "name=\u043a\u043b\u044e\u0447%41", f"a=\u2003%,{OURS}", "a=\\777\xff", "a=\\ud800\xff%"]
)
def test_strange_text_neither_fails_nor_warns(header: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find((header,), KEY).odd == ()
        assert merged(header, "synthetic-traffic=new") is not None


def merged(header: str, entry: str | None) -> str | None:
    return merge(header, find((header,), KEY), entry)


def test_an_entry_is_the_key_and_the_token() -> None:
    assert entry_of("k", "a.b.c") == "k=a.b.c"


@pytest.mark.parametrize(
    ("foreign", "expected"),
    [
        ((), [OURS]),
        (("x=1",), [f"{OURS},x=1"]),
        (("x=1", "y=2"), [f"{OURS},x=1", "y=2"]),
        ((" x = 1 ;p",), [f"{OURS}, x = 1 ;p"]),
    ],
)
def test_our_entry_goes_first_into_the_first_header(foreign: tuple[str, ...], expected: list[str]) -> None:
    assert forward(foreign, OURS) == expected


@pytest.mark.parametrize(("room", "headers"), [(0, 1), (1, 2)])
def test_our_entry_gets_its_own_header_when_the_first_is_full(room: int, headers: int) -> None:
    big = "x=" + "y" * (8192 - len(OURS) - 3 + room)
    sent = forward((big, "z=1"), OURS)
    assert len(sent) == headers + 1
    assert sent[0].startswith(OURS)
    assert ",".join(sent) == f"{OURS},{big},z=1"


@pytest.mark.parametrize(
    ("header", "with_ours", "without"),
    [
        ("", OURS, None),
        (" ", OURS, " "),
        ("x=1", f"{OURS},x=1", "x=1"),
        (" x = 1 ,y", f"{OURS}, x = 1 ,y", " x = 1 ,y"),
        ("synthetic-traffic=old", OURS, None),
        ("x=1,synthetic-traffic=old;p,y=2", f"{OURS},x=1,y=2", "x=1,y=2"),
        ("x=1,syn%74hetic-traffic=old", f"{OURS},x=1", "x=1"),
        ("synthetic-traffic=a,synthetic-traffic=b", OURS, None),
        (OURS, OURS, None),
    ],
)
def test_merging_replaces_our_entry_and_keeps_the_rest(header: str, with_ours: str, without: str | None) -> None:
    assert merged(header, OURS) == with_ours
    assert merged(header, None) == without
    assert merged(with_ours, OURS) == with_ours


def test_merging_also_removes_an_entry_revealed_by_the_first_removal() -> None:
    header = "synthetic-traffic=x\xff,synthetic-traffic\xe2\x80\x83=1,y=2"
    assert merged(header, None) == "y=2"


# The work grows linearly with the length. It is measured in characters passed to functions, since time is noisy.

UNITS = (
    ",",
    "%",
    "+",
    "\\",
    " ",
    "=",
    ";",
    "\xff",
    "\xc3\xa9",
    "\\N{",
    "\\N{}",
    "\\x41",
    "\\x2c",
    "\\u002c",
    "\\777",
    "%73",
    "%2c",
    "synthetic-traffic",
    "synthetic-traffic,",
    "synthetic-traffic=x,",
    "%73ynthetic-traffic=x,",
    "\\x73ynthetic-traffic=x\\x2c",
    "synthetic-traffic=\xff,",
    "\xc2\xa0synthetic-traffic=x,",
)


def _work(*headers: str) -> int:
    """Count the calls during a search of the headers, and the characters passed to them."""
    work = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal work
        if event == "call" and not frame.f_code.co_flags & 0x20:  # a step of a generator receives no new arguments
            work += 1 + sum(len(value) for value in frame.f_locals.values() if isinstance(value, str))
        elif event == "c_call":
            owner = getattr(argument, "__self__", None)
            work += 1 + (len(owner) if isinstance(owner, str) else 0)

    sys.setprofile(count)
    try:
        found = find(headers, KEY)
        forward(found.foreign, OURS)
    finally:
        sys.setprofile(None)
    return work


@pytest.mark.long
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("tail", ["", ",b=\xff", ",%73ynthetic-traffic=x,b=\xff"])
def test_the_work_grows_linearly_with_the_length_of_a_header(unit: str, tail: str, long_run: bool) -> None:
    size = 64_000 if long_run else 2_000
    header = unit * (size // len(unit))
    assert _work(header + header + tail) <= 2.05 * _work(header + tail) + 500


@pytest.mark.parametrize("unit", UNITS)
def test_the_work_grows_linearly_with_the_number_of_headers(unit: str) -> None:
    headers = (unit * 5,) * 100
    assert _work(*headers, *headers, "b=\xff") <= 2.05 * _work(*headers, "b=\xff") + 500


@pytest.mark.parametrize("pattern", [_plain_member(KEY), name_pattern(KEY), entry_pattern(KEY)])
def test_no_pattern_can_scan_the_same_text_twice(pattern: re.Pattern[str]) -> None:
    """A match begins with a comma, and no repeat goes beyond the next one.

    Two attempts therefore never repeat over the same text, and the length bounds the steps of the whole search.
    """
    first, *others = _parser.parse(pattern.pattern)
    assert first == (_constants.LITERAL, ord(","))
    repeats = list(_open_repeats(others))
    assert repeats
    for repeated in repeats:
        assert re.compile(f"[{repeated}]").search(",") is None


def _open_repeats(items: Any) -> Iterator[Any]:
    """Yield the set of characters of each unbounded repeat, as a pattern."""
    for operator, argument in items:
        if operator in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
            inner, members = argument[2][0]
            if argument[1] != _constants.MAXREPEAT:
                yield from _open_repeats(argument[2])
                continue
            if inner is _constants.NOT_LITERAL:
                yield f"^{re.escape(chr(members))}"
                continue
            assert (len(argument[2]), inner) == (1, _constants.IN)
            is_negated = members[0][0] is _constants.NEGATE
            literals = "".join(re.escape(chr(value)) for kind, value in members if kind is _constants.LITERAL)
            yield f"^{literals}" if is_negated else literals
        elif operator is _constants.SUBPATTERN:
            yield from _open_repeats(argument[-1])


HOSTILE = {
    **{unit: unit * (60_000 // len(unit)) for unit in (*UNITS, "%25", "%%37%33", "%2", "%20", "\\q", "\\N{a}")},
    "different names": ",".join(f"%73ynthetic-traffic{number:x}" for number in range(2_500)),
    "different values": ",".join(f"synthetic-traffic={number:x}" for number in range(2_500)),
    "different named characters": "".join(f"\\N{{{number:x}}}" for number in range(7_000)),
}


@pytest.mark.parametrize("header", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("tail", ["", ",b=\xff", ",a=\\,b=\xff"])
def test_a_hostile_header_costs_little_for_each_byte(header: str, tail: str) -> None:
    """The unit is what one turn of an empty loop takes, so that the speed of the machine does not matter."""
    cost = min(_seconds(lambda: find((header + tail,), KEY)) for _ in range(3)) / len(header)
    turn = min(_seconds(_turns) for _ in range(3)) / 100_000
    assert cost < 8 * turn


def _turns() -> None:
    for _ in range(100_000):
        pass


def _seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


@pytest.mark.parametrize("headers", [("x" * 65_537,), ("x" * 40_000, OURS + "," * 40_000), (",",) * 65_537])
def test_headers_of_more_than_64_kib_are_not_searched(headers: tuple[str, ...]) -> None:
    found = find(headers, KEY)
    assert found is TOO_LONG
    assert (found.is_empty, found.is_clean, found.values, found.odd) == (False, False, (), ())


def test_an_entry_is_found_at_the_end_of_64_kib() -> None:
    header = "x=" + "y" * (65_536 - len(OURS) - 3) + "," + OURS
    assert len(header) == 65_536
    assert find((header,), KEY).values == ("a.b.c",)
