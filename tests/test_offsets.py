"""Offsets of a log broker: no unfinished message is passed, in whatever order handlers end."""

from __future__ import annotations

import random

import pytest

from synthetic._admission.log_brokers import Handling, Incoming
from synthetic._admission.offsets import NOWHERE, Offsets
from synthetic._model.verdict import REAL

PLACE = ("orders", 0)


class Group:
    """The committed offset of each partition of a group, and the messages of its consumer."""

    def __init__(self) -> None:
        self.at: dict[tuple[str, int], int] = {}
        self.offsets = Offsets(self.at.__setitem__)

    def begin(self, offset: int, *, refused: bool = False, place: tuple[str, int] = PLACE) -> Incoming:
        self.offsets.begin(place, offset, is_refused=refused)
        return Incoming(None, place, offset, (), REAL)

    def handle(self, *messages: Incoming) -> None:
        for one in messages:
            self.offsets.end(one.place, one.offset, is_handled=True)

    def fail(self, one: Incoming) -> None:
        self.offsets.end(one.place, one.offset, is_handled=False)


@pytest.fixture
def group() -> Group:
    return Group()


def test_the_offset_moves_past_a_message_once_all_earlier_ones_are_done(group: Group) -> None:
    first, second, third = (group.begin(offset) for offset in (10, 11, 14))  # some offsets hold no message
    assert group.at == {}
    group.handle(second)
    assert group.at == {PLACE: 10}
    group.handle(third)
    assert group.at == {PLACE: 10}
    group.handle(first)
    assert group.at == {PLACE: 15}


def test_each_partition_has_its_own_offset(group: Group) -> None:
    group.begin(0)
    group.handle(group.begin(7, place=("orders", 1)), group.begin(3, place=("refunds", 0)))
    assert group.at == {("orders", 1): 8, ("refunds", 0): 4}


def test_a_refused_message_is_passed_once_all_earlier_ones_are_done(group: Group) -> None:
    group.begin(0, refused=True)
    assert group.at == {PLACE: 1}
    real = group.begin(1)
    group.begin(2, refused=True)
    assert group.at == {PLACE: 1}
    group.handle(real)
    assert group.at == {PLACE: 3}


def test_a_handled_message_passes_an_earlier_failed_one_a_refused_does_not(group: Group) -> None:
    group.fail(group.begin(0))
    group.begin(1, refused=True)
    assert group.at.get(PLACE, 0) == 0
    group.fail(group.begin(2))
    late = group.begin(3)
    group.begin(4, refused=True)
    assert group.at.get(PLACE, 0) == 0
    group.handle(late)
    assert group.at == {PLACE: 5}


def test_an_earlier_handled_message_does_not_pass_a_failed_one(group: Group) -> None:
    first, second = group.begin(0), group.begin(1)
    group.fail(second)
    group.handle(first)
    group.begin(2, refused=True)
    assert group.at == {PLACE: 1}


def test_a_rewind_resets_all_messages_from_that_offset(group: Group) -> None:
    kept, old = group.begin(0), group.begin(1)
    group.handle(group.begin(2))
    again = group.begin(1)
    group.handle(again)
    assert group.at == {PLACE: 0}
    group.handle(kept)
    assert group.at == {PLACE: 2}
    group.handle(old)  # a slow handler of the first delivery: the message is handled twice, which is harmless
    assert group.at == {PLACE: 2}
    group.handle(group.begin(2))
    assert group.at == {PLACE: 3}


def test_a_handler_begun_before_a_rewind_does_not_pass_redelivered_messages(group: Group) -> None:
    first, _, third = (group.begin(offset) for offset in (0, 1, 2))
    group.handle(group.begin(0))
    group.handle(third, first)
    assert group.at == {PLACE: 1}


def test_a_successful_retry_passes_the_failed_message(group: Group) -> None:
    one = group.begin(0)
    group.fail(one)
    group.begin(1, refused=True)
    assert group.at.get(PLACE, 0) == 0
    group.handle(one)
    assert group.at == {PLACE: 2}


def test_a_rewind_moves_the_offset_of_the_group_back(group: Group) -> None:
    group.handle(*(group.begin(offset) for offset in range(5)))
    assert group.at == {PLACE: 5}
    again = group.begin(1)
    group.handle(again)
    assert group.at == {PLACE: 2}


def test_a_value_without_an_offset_moves_no_offset(group: Group) -> None:
    group.handle(group.begin(NOWHERE))
    group.fail(group.begin(NOWHERE))
    assert group.at == {}


def test_no_unfinished_message_is_passed_in_any_order(group: Group) -> None:
    chance = random.Random(7)
    for _ in range(200):
        group.at.clear()
        group.offsets = Offsets(group.at.__setitem__)
        under_way: dict[int, Incoming] = {}
        offset = 0
        for _ in range(40):
            if under_way and chance.random() < 0.5:
                done = chance.choice(list(under_way))
                group.handle(under_way.pop(done))
            else:
                refused = chance.random() < 0.3
                one = group.begin(offset, refused=refused)
                if not refused:
                    under_way[offset] = one
                offset += chance.randint(1, 3)
            assert group.at.get(PLACE, 0) <= min(under_way, default=offset)
        last = max(under_way, default=0)
        group.handle(*under_way.values())
        assert group.at[PLACE] > last


def test_a_handling_has_a_marker_and_is_entered_once_at_a_time(group: Group) -> None:
    handling = Handling("content", REAL, (group.begin(0),), group.offsets)
    assert handling.marker is None
    with handling as content:
        assert content == "content"
        with pytest.raises(RuntimeError, match="are already being handled"):
            handling.__enter__()
    assert group.at == {PLACE: 1}
