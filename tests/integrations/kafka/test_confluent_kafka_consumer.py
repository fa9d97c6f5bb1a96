"""The consumer for confluent-kafka: messages come with their verdict, and refused ones go to a dead-letter topic."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Message
from confluent_kafka.cimpl import Producer

import synthetic
from synthetic.errors import ConfigurationError
from synthetic_confluent_kafka import DeadLetter, Park, RefusedMessage, SyntheticConsumer, SyntheticProducer
from tests.contract.messages import eventually
from tests.products.confluent_kafka import batch, dead_letter, handled, saw, stored
from tests.products.kafka import Headers, Topic, headers_with
from tests.support.keys import entry, mint, shared_key
from tests.support.servers import environment


@pytest.fixture
def consumer(topic: Topic) -> Iterator[Consumer]:
    consumer = topic.consumer()
    yield consumer
    consumer.close()


# What it needs


@pytest.mark.parametrize("settings", [{}, {"enable.auto.commit": False}])
def test_a_consumer_that_stores_offsets_by_itself_is_a_configuration_error(
    topic: Topic, settings: dict[str, Any]
) -> None:
    consumer = topic.consumer(**{"enable.auto.offset.store": True}, **settings)
    with pytest.raises(ConfigurationError, match=r"'enable.auto.offset.store': False") as raised:
        SyntheticConsumer(consumer, on_refused="raise")
    assert raised.value.setting == "enable.auto.offset.store"
    consumer.close()


@pytest.mark.parametrize("policy", ["drop", None, 5])
def test_on_refused_must_be_given_and_valid(consumer: Consumer, policy: Any) -> None:
    with pytest.raises(ConfigurationError, match="on_refused=") as raised:
        SyntheticConsumer(consumer, on_refused=policy)
    assert raised.value.setting == "on_refused"
    with pytest.raises(TypeError):
        SyntheticConsumer(consumer)  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="on_later="):
        SyntheticConsumer(consumer, on_refused="raise", on_later="drop")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="above 0"):
        Park(0)


# One by one


def test_the_verdict_is_in_force_only_in_the_block(
    topic: Topic, consumer: Consumer, marked: Callable[[str], Headers]
) -> None:
    topic.put(("s", marked("peak")), ("r", []))
    messages = SyntheticConsumer(consumer, on_refused="raise")
    with synthetic.simulated(run="outside"):
        assert handled(messages, 2) == [("s", "peak"), ("r", None)]
        found = synthetic.current()
    assert found is not None
    assert found.run == "outside"
    assert not synthetic.is_synthetic()


def test_the_block_gives_none_if_no_message_arrives_in_time(consumer: Consumer) -> None:
    with SyntheticConsumer(consumer, on_refused="raise").poll(0) as message:
        assert message is None


def test_events_of_the_client_are_not_changed(topic: Topic, keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, on_missing="refuse")  # events that are not messages need no marker
    consumer = topic.consumer(**{"enable.partition.eof": True})
    messages = SyntheticConsumer(consumer, on_refused="raise")
    with messages.poll(60) as event:
        assert event is not None
        assert event.error().name() == "_PARTITION_EOF"
    topic.put(("s", headers_with([entry(mint(keys))])))
    assert handled(messages, 1) == [("s", "rush-hour")]
    (group,) = messages.consume(1, 60)
    with group as events:
        assert [event.error().name() for event in events] == ["_PARTITION_EOF"]
    assert stored(consumer) == 1
    consumer.close()


def test_the_offset_of_a_handled_message_is_stored_and_of_a_failed_one_is_not(topic: Topic, consumer: Consumer) -> None:
    topic.put(("1", []), ("2", []), ("3", []))
    messages = SyntheticConsumer(consumer, on_refused="raise")
    assert handled(messages, 1) == [("1", None)]
    assert stored(consumer) == 1
    with pytest.raises(LookupError), messages.poll(60):
        raise LookupError("in the handler")
    assert stored(consumer) == 1
    handled(messages, 1)
    assert stored(consumer) == 3


def test_the_client_still_commits_stored_offsets_by_itself(topic: Topic) -> None:
    topic.put(("1", []), ("2", []))
    consumer = topic.consumer()
    messages = SyntheticConsumer(consumer, on_refused="raise")
    handled(messages, 1)
    with pytest.raises(LookupError), messages.poll(60):
        raise LookupError("in the handler")
    consumer.close()
    assert topic.committed() == 1


# Refused messages: a dead-letter topic


def test_a_dead_letter_is_the_unchanged_message_with_the_reason(
    topic: Topic, letters: Topic, consumer: Consumer, forged: Headers
) -> None:
    came: Headers = [("a", b"\x00\xff"), ("empty", None), *forged, ("a", b"again"), ("baggage", b"user=7")]
    topic.put(("forged", came), key=b"k")
    topic.put(("after", []))
    messages = SyntheticConsumer(consumer, on_refused=DeadLetter(SyntheticProducer(topic.settings), letters.name))
    with synthetic.simulated(run="whoever-polls"):
        assert handled(messages, 1) == [("after", None)]
    (letter,) = letters.arrived(1)
    assert (letter.key(), letter.value()) == (b"k", b"forged")
    assert letter.headers() == [
        *came,
        ("synthetic-refused-reason", b"bad-signature"),
        ("synthetic-refused-topic", topic.name.encode()),
        ("synthetic-refused-partition", b"0"),
        ("synthetic-refused-offset", b"0"),
    ]
    assert stored(consumer) == 2


def test_the_offset_moves_past_a_refused_message_once_its_dead_letter_is_delivered(
    topic: Topic, letters: Topic, consumer: Consumer, forged: Headers
) -> None:
    topic.put(("forged", forged))
    messages = SyntheticConsumer(consumer, on_refused=dead_letter(letters))
    with messages.poll(60) as message:
        assert message is None
    assert len(letters.arrived(1)) == 1
    assert stored(consumer) == 1


def test_if_a_dead_letter_is_not_delivered_an_error_is_raised_and_the_message_comes_again(
    topic: Topic, letters: Topic, consumer: Consumer, forged: Headers
) -> None:
    topic.put(("forged", forged), ("after", []))
    nowhere = Producer({"bootstrap.servers": "127.0.0.1:9", "log_level": 0})
    messages = SyntheticConsumer(consumer, on_refused=DeadLetter(nowhere, letters.name, timeout=0.2))
    for _ in range(2):
        with pytest.raises(KafkaException, match="_TIMED_OUT"):
            messages.poll(60)
        assert stored(consumer) == -1
    nowhere.purge()
    there = SyntheticConsumer(consumer, on_refused=dead_letter(letters))
    assert handled(there, 1) == [("after", None)]
    assert len(letters.arrived(1)) == 1


def test_a_dead_letter_that_the_broker_rejects_raises_an_error(
    topic: Topic, letters: Topic, consumer: Consumer, forged: Headers
) -> None:
    topic.put(("forged" * 500, forged))
    small = Producer({**topic.settings, "message.max.bytes": 1000})
    messages = SyntheticConsumer(consumer, on_refused=DeadLetter(small, letters.name))
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        messages.poll(60)
    assert stored(consumer) == -1


def test_headers_that_cannot_be_read_are_refused(topic: Topic, letters: Topic, consumer: Consumer) -> None:
    _put_with_a_name_that_is_not_text(topic)
    messages = SyntheticConsumer(consumer, on_refused=dead_letter(letters))
    with messages.poll(60) as message:
        assert message is None
    (letter,) = letters.arrived(1)
    assert letter.value() == b"odd"
    assert dict(letter.headers())["synthetic-refused-reason"] == b"malformed"


# Refused messages: raised, parked, or kept by a function


def test_a_refused_message_that_raises_comes_again_until_it_has_a_dead_letter(
    topic: Topic, consumer: Consumer, forged: Headers, letters: Topic
) -> None:
    topic.put(("1", []), ("forged", forged), ("2", []))
    messages = SyntheticConsumer(consumer, on_refused="raise")
    handled(messages, 1)
    for _ in range(3):
        with pytest.raises(synthetic.MessageRefused, match="bad-signature"):
            messages.poll(60)
        assert stored(consumer) == 1
    assert handled(SyntheticConsumer(consumer, on_refused=dead_letter(letters)), 1) == [("2", None)]


def test_a_function_may_keep_what_is_refused(topic: Topic, consumer: Consumer, forged: Headers) -> None:
    kept: list[tuple[str, int, int, bytes | None, str]] = []

    def keep(refused: Sequence[RefusedMessage[Message]]) -> None:
        kept.extend(
            (one.topic, one.partition, one.offset, one.message.value(), one.error.reason.value) for one in refused
        )

    topic.put(("forged", forged), ("after", []))
    assert handled(SyntheticConsumer(consumer, on_refused=keep), 1) == [("after", None)]
    assert kept == [(topic.name, 0, 0, b"forged", "bad-signature")]


def test_a_parked_partition_waits_while_others_continue_and_no_message_is_lost(
    topic: Topic, marked: Callable[[str], Headers], keys: dict[str, Any]
) -> None:
    consumer = topic.consumer(partitions=(0, 1))
    synthetic.configure(keys=keys, halt=["stopped"])
    topic.put(("0 first", []), ("0 halted", marked("stopped")), *((f"0 {number}", []) for number in range(50)))
    messages = SyntheticConsumer(consumer, on_refused=Park(0.1))
    assert handled(messages, 1) == [("0 first", None)]
    with messages.poll(60) as message:
        assert message is None
    topic.put(("1 first", []), ("1 second", marked("peak")), partition=1)
    assert handled(messages, 2) == [("1 first", None), ("1 second", "peak")]
    assert (stored(consumer), stored(consumer, 1)) == (1, 2)
    synthetic.configure(keys=keys)
    assert handled(messages, 51) == [("0 halted", "stopped"), *((f"0 {number}", None) for number in range(50))]
    assert stored(consumer) == 52
    consumer.close()


def test_a_parked_message_comes_again_although_no_other_message_arrives(
    topic: Topic, consumer: Consumer, marked: Callable[[str], Headers], keys: dict[str, Any]
) -> None:
    synthetic.configure(keys=shared_key("another"))
    topic.put(("s", marked("peak")))
    messages = SyntheticConsumer(consumer, on_refused=Park(0.05))
    with messages.poll() as message:
        assert message is None
    synthetic.configure(keys=keys)
    with messages.poll() as message:
        assert message is not None
        assert saw(message) == ("s", "peak")


def test_a_message_for_later_can_be_parked_while_others_become_dead_letters(
    topic: Topic, letters: Topic, consumer: Consumer, marked: Callable[[str], Headers], forged: Headers, keys: Any
) -> None:
    busy = True
    synthetic.configure(keys=keys, shed=lambda: busy)
    topic.put(("forged", forged), ("s", marked("peak")), ("r", []))
    messages = SyntheticConsumer(consumer, on_refused=dead_letter(letters), on_later=Park(0.05))
    for _ in range(2):
        with messages.poll(60) as message:
            assert message is None
    assert stored(consumer) == 1
    busy = False
    assert handled(messages, 2) == [("s", "peak"), ("r", None)]
    assert [letter.value() for letter in letters.arrived(1)] == [b"forged"]


# Batches


def test_a_batch_is_split_by_verdict_with_real_messages_first_and_partitions_in_order(
    topic: Topic, letters: Topic, marked: Callable[[str], Headers], forged: Headers
) -> None:
    peak, other = marked("peak"), marked("other")
    consumer = topic.consumer(partitions=(0, 1))
    topic.put(("s1", peak), ("r1", []), ("f1", forged), ("o1", other), ("r2", []), ("s2", peak), ("f2", forged))
    topic.put(("r3", []), ("s3", peak), ("r4", []), partition=1)
    groups = batch(SyntheticConsumer(consumer, on_refused=dead_letter(letters)), 10)
    seen: list[tuple[str | None, list[str]]] = []
    for group in groups:
        with group as messages:
            (run,) = {saw(message)[1] for message in messages}
            assert run == (group.marker and group.marker.run)
            seen.append((run, [saw(message)[0] for message in messages]))
    runs = dict(seen)
    assert seen[0][0] is None
    assert {run: [value for value in values if value not in ("r3", "r4", "s3")] for run, values in seen} == {
        None: ["r1", "r2"],
        "peak": ["s1", "s2"],
        "other": ["o1"],
    }
    assert [value for value in runs[None] if value in ("r3", "r4")] == ["r3", "r4"]
    assert "s3" in runs["peak"]
    assert sorted(letter.value() for letter in letters.arrived(2)) == [b"f1", b"f2"]
    consumer.close()


def test_the_offset_waits_for_every_group_of_a_batch(
    topic: Topic, letters: Topic, consumer: Consumer, marked: Callable[[str], Headers], forged: Headers
) -> None:
    topic.put(("r1", []), ("s1", marked("peak")), ("f1", forged), ("r2", []), ("f2", forged))
    real, simulated = batch(SyntheticConsumer(consumer, on_refused=dead_letter(letters)), 5)
    assert stored(consumer) <= 0
    with real:
        pass
    assert stored(consumer) == 1, "the simulated message behind the first one is still to be handled"
    with simulated:
        pass
    assert stored(consumer) == 5


def test_refused_messages_do_not_move_the_offset_past_a_group_that_failed(
    topic: Topic, letters: Topic, consumer: Consumer, forged: Headers
) -> None:
    topic.put(("r1", []), ("f1", forged))
    messages = SyntheticConsumer(consumer, on_refused=dead_letter(letters))
    (real,) = batch(messages, 2)
    with pytest.raises(LookupError), real:
        raise LookupError("in the handler")
    topic.put(("f2", forged))
    with messages.poll(60) as message:
        assert message is None
    assert stored(consumer) <= 0


def test_the_whole_batch_comes_again_if_a_dead_letter_is_not_delivered(
    topic: Topic, letters: Topic, marked: Callable[[str], Headers], forged: Headers
) -> None:
    consumer = topic.consumer(partitions=(0, 1))
    topic.put(("r1", []), ("f1", forged), ("r2", []))
    topic.put(("s1", marked("peak")), partition=1)
    nowhere = Producer({"bootstrap.servers": "127.0.0.1:9", "log_level": 0})
    with pytest.raises(KafkaException, match="_TIMED_OUT"):
        batch(SyntheticConsumer(consumer, on_refused=DeadLetter(nowhere, letters.name, timeout=0.2)), 4)
    nowhere.purge()
    assert (stored(consumer), stored(consumer, 1)) == (-1, -1)
    seen = handled(SyntheticConsumer(consumer, on_refused=dead_letter(letters)), 3)
    assert sorted(seen) == [("r1", None), ("r2", None), ("s1", "peak")]
    consumer.close()


def test_messages_behind_a_parked_one_in_a_batch_come_again_with_it(
    topic: Topic, letters: Topic, consumer: Consumer, marked: Callable[[str], Headers], forged: Headers, keys: Any
) -> None:
    synthetic.configure(keys=keys, halt="stopped")
    topic.put(("r1", []), ("h", marked("stopped")), ("f", forged), ("r2", []))
    messages = SyntheticConsumer(consumer, on_refused=Park(0.05))
    (real,) = batch(messages, 4)
    with real as found:
        assert [message.value() for message in found] == [b"r1"]
    assert stored(consumer) == 1
    synthetic.configure(keys=keys)
    assert handled(messages, 1) == [("h", "stopped")]
    assert stored(consumer) == 2


def test_a_batch_has_the_limits_that_the_consumer_has(topic: Topic, letters: Topic, consumer: Consumer) -> None:
    topic.put(*((f"{number}", []) for number in range(20)))
    messages = SyntheticConsumer(consumer, on_refused=dead_letter(letters))
    seen: list[str] = []

    def all_seen() -> bool | None:
        for group in messages.consume(7, 0.1):
            with group as found:
                assert 1 <= len(found) <= 7
                seen.extend(saw(message)[0] for message in found)
        return True if len(seen) == 20 else None

    eventually(all_seen)
    assert seen == [f"{number}" for number in range(20)]
    assert messages.consume(7, 0) == []


# A consumer that dies

WORKER = """
import sys
import synthetic
from confluent_kafka import Consumer, Producer, TopicPartition
from synthetic_confluent_kafka import DeadLetter, SyntheticConsumer

synthetic.instrument("logging")
address, topic, group = sys.argv[1:]
consumer = Consumer({"bootstrap.servers": address, "group.id": group, "enable.auto.offset.store": False,
                     "auto.offset.reset": "earliest", "auto.commit.interval.ms": 1})
consumer.assign([TopicPartition(topic, 0)])
letters = DeadLetter(Producer({"bootstrap.servers": address}), topic + ".refused")
messages = SyntheticConsumer(consumer, on_refused=letters)
while True:
    with messages.poll(0.1) as message:
        if message is not None:
            found = synthetic.current()
            print(message.value().decode(), found and found.run, flush=True)
            sys.stdin.readline()
"""


def test_a_message_keeps_its_verdict_after_its_consumer_was_killed_before_the_commit(
    topic: Topic, letters: Topic, marked: Callable[[str], Headers], forged: Headers, keys: dict[str, Any]
) -> None:
    topic.put(("f", forged), ("s", marked("peak")), ("r", []))
    for _ in range(2):
        with _worker(topic, keys=json.dumps(keys)) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "s peak\n"
            os.kill(worker.pid, signal.SIGKILL)
    assert topic.committed() in (None, 1), "a message that was not done was passed"
    with _worker(topic, keys=json.dumps(keys)) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline() == "s peak\n"
        worker.stdin.write("\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == "r None\n"
        os.kill(worker.pid, signal.SIGKILL)


def _worker(topic: Topic, *, keys: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, topic.address, topic.name, topic.group],
        env={**environment(), "SYNTHETIC_KEYS": keys},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _put_with_a_name_that_is_not_text(topic: Topic) -> None:
    """Only a client that writes the records itself can do that."""
    from aiokafka import AIOKafkaProducer
    from aiokafka.producer import message_accumulator, producer
    from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

    class Odd(str):
        def encode(self, *_: Any) -> bytes:
            return b"\xff\xfe"

    async def put() -> None:
        async with AIOKafkaProducer(bootstrap_servers=topic.address) as client:
            await client.send_and_wait(topic.name, b"odd", partition=0, headers=[(Odd("odd"), b"1")])

    with pytest.MonkeyPatch.context() as patch:
        for module in (message_accumulator, producer):
            patch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy, raising=False)
        asyncio.run(put())
