"""How far a partition of a log broker is done: nothing is passed that is not, in whatever order things end."""

from __future__ import annotations

import random

import pytest

from synthetic._admission.log_brokers import Handling, Incoming
from synthetic._admission.offsets import NOWHERE, Offsets
from synthetic._model.verdict import REAL

PLACE = ("orders", 0)


class Group:
    """What a group has of each partition, and the messages that a consumer of it is handed."""

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


def test_the_offset_is_behind_the_last_message_of_which_all_before_are_done(group: Group) -> None:
    first, second, third = (group.begin(offset) for offset in (10, 11, 14))  # some offsets hold no message
    assert group.at == {}
    group.handle(second)
    assert group.at == {PLACE: 10}
    group.handle(third)
    assert group.at == {PLACE: 10}
    group.handle(first)
    assert group.at == {PLACE: 15}


def test_each_partition_goes_its_own_way(group: Group) -> None:
    group.begin(0)
    group.handle(group.begin(7, place=("orders", 1)), group.begin(3, place=("refunds", 0)))
    assert group.at == {("orders", 1): 8, ("refunds", 0): 4}


def test_a_refused_message_is_passed_at_once_unless_something_before_it_is_under_way(group: Group) -> None:
    group.begin(0, refused=True)
    assert group.at == {PLACE: 1}
    real = group.begin(1)
    group.begin(2, refused=True)
    assert group.at == {PLACE: 1}
    group.handle(real)
    assert group.at == {PLACE: 3}


def test_a_failed_message_is_passed_by_a_later_one_that_was_handled_and_by_no_refused_one(group: Group) -> None:
    group.fail(group.begin(0))
    group.begin(1, refused=True)
    assert group.at.get(PLACE, 0) == 0
    group.fail(group.begin(2))
    late = group.begin(3)
    group.begin(4, refused=True)
    assert group.at.get(PLACE, 0) == 0
    group.handle(late)
    assert group.at == {PLACE: 5}


def test_a_handled_message_before_a_failed_one_does_not_pass_it(group: Group) -> None:
    first, second = group.begin(0), group.begin(1)
    group.fail(second)
    group.handle(first)
    group.begin(2, refused=True)
    assert group.at == {PLACE: 1}


def test_after_a_step_back_everything_from_there_counts_anew(group: Group) -> None:
    kept, old = group.begin(0), group.begin(1)
    group.handle(group.begin(2))
    again = group.begin(1)
    group.handle(again)
    assert group.at == {PLACE: 0}
    group.handle(kept)
    assert group.at == {PLACE: 2}
    group.handle(old)  # a handler that took its time: it was handled twice, which is no harm
    assert group.at == {PLACE: 2}
    group.handle(group.begin(2))
    assert group.at == {PLACE: 3}


def test_a_handler_that_began_before_a_step_back_does_not_pass_what_is_yet_to_come_again(group: Group) -> None:
    first, _, third = (group.begin(offset) for offset in (0, 1, 2))
    group.handle(group.begin(0))
    group.handle(third, first)
    assert group.at == {PLACE: 1}


def test_a_second_attempt_that_succeeds_makes_up_for_the_first(group: Group) -> None:
    one = group.begin(0)
    group.fail(one)
    group.begin(1, refused=True)
    assert group.at.get(PLACE, 0) == 0
    group.handle(one)
    assert group.at == {PLACE: 2}


def test_going_back_over_what_was_passed_is_going_back_for_the_group(group: Group) -> None:
    group.handle(*(group.begin(offset) for offset in range(5)))
    assert group.at == {PLACE: 5}
    again = group.begin(1)
    group.handle(again)
    assert group.at == {PLACE: 2}


def test_what_is_no_message_has_no_offset(group: Group) -> None:
    group.handle(group.begin(NOWHERE))
    group.fail(group.begin(NOWHERE))
    assert group.at == {}


def test_in_any_order_nothing_is_passed_that_is_not_done(group: Group) -> None:
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


def test_a_handling_tells_its_marker_and_is_used_once_at_a_time(group: Group) -> None:
    handling = Handling("content", REAL, (group.begin(0),), group.offsets)
    assert handling.marker is None
    with handling as content:
        assert content == "content"
        with pytest.raises(RuntimeError, match="are already being handled"):
            handling.__enter__()
    assert group.at == {PLACE: 1}
