"""The consumer for aiokafka: each message comes with its verdict, and refused messages go to a dead-letter topic."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from opentelemetry.sdk.trace import TracerProvider

import synthetic
from synthetic.errors import ConfigurationError
from synthetic_aiokafka import DeadLetter, Park, RefusedMessage, SyntheticConsumer
from tests.products.aiokafka import batch, burying, consuming, handled, producing, saw
from tests.products.kafka import Headers, Topic, baggage_of
from tests.support.servers import environment
from tests.support.switches import traced
from tests.support.versions import AIOKAFKA, needs

Keys = dict[str, Any]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


async def nowhere(refused: Sequence[RefusedMessage[ConsumerRecord[Any, Any]]]) -> None:
    raise KafkaError("the dead letter did not arrive")


# What it needs


def test_a_consumer_that_commits_by_itself_is_a_configuration_error(topic: Topic) -> None:
    async def check() -> None:
        async with consuming(topic, enable_auto_commit=True) as consumer:
            with pytest.raises(ConfigurationError, match="enable_auto_commit=False") as raised:
                SyntheticConsumer(consumer, on_refused="raise")
            assert raised.value.setting == "enable_auto_commit"
        async with consuming(topic, group_id=None, enable_auto_commit=True) as consumer:
            SyntheticConsumer(consumer, on_refused="raise")  # without a group, there is nothing to commit

    run(check())


def test_on_refused_must_be_given_and_valid(topic: Topic) -> None:
    async def check() -> None:
        async with consuming(topic) as consumer:
            with pytest.raises(ConfigurationError, match="on_refused='drop'"):
                SyntheticConsumer(consumer, on_refused="drop")  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                SyntheticConsumer(consumer)  # type: ignore[call-arg]

    run(check())


# One by one


def test_the_verdict_is_in_force_only_in_the_block(topic: Topic, marked: Callable[[str], Headers]) -> None:
    topic.put(("s", marked("peak")), ("r", []))

    async def consume() -> None:
        async with consuming(topic) as consumer:
            messages = SyntheticConsumer(consumer, on_refused="raise")
            with synthetic.simulated(run="outside") as outside:
                assert await handled(messages, 2) == [("s", "peak"), ("r", None)]
                assert synthetic.current() == outside

    run(consume())


def test_a_handled_message_is_committed_and_a_failed_one_is_not(topic: Topic) -> None:
    topic.put(("1", []), ("2", []), ("3", []))

    async def consume() -> None:
        async with consuming(topic) as consumer:
            messages = SyntheticConsumer(consumer, on_refused="raise")
            await messages.commit()
            await handled(messages, 1)
            await messages.commit()
            assert topic.committed() == 1
            with pytest.raises(LookupError), await messages.getone():
                raise LookupError("in the handler")
            await messages.commit()
            assert topic.committed() == 1
            await handled(messages, 1)
            await messages.commit()
            assert topic.committed() == 3

    run(consume())


def test_a_loop_over_the_consumer_ends_when_the_consumer_stops(topic: Topic, marked: Callable[[str], Headers]) -> None:
    topic.put(("s", marked("peak")), ("r", []))

    async def consume() -> None:
        seen = []
        async with consuming(topic) as consumer:
            async for one in SyntheticConsumer(consumer, on_refused="raise"):
                with one as message:
                    seen.append(saw(message))
                if len(seen) == 2:
                    await consumer.stop()
        assert seen == [("s", "peak"), ("r", None)]

    run(consume())


def test_the_offset_waits_for_a_handler_in_its_own_task(topic: Topic) -> None:
    topic.put(("slow", []), ("fast", []))

    async def consume() -> None:
        async with consuming(topic) as consumer:
            messages = SyntheticConsumer(consumer, on_refused="raise")
            slow, fast = await messages.getone(), await messages.getone()
            go_on = asyncio.Event()

            async def handle() -> None:
                with slow:
                    await go_on.wait()

            task = asyncio.create_task(handle())
            with fast:
                pass
            await messages.commit()
            assert topic.committed() == 0
            go_on.set()
            await task
            await messages.commit()
            assert topic.committed() == 2

    run(consume())


# Refused messages


def test_a_dead_letter_is_the_unchanged_message_with_the_reason(topic: Topic, letters: Topic, forged: Headers) -> None:
    came: Headers = [("a", b"\x00\xff"), ("empty", None), *forged, ("a", b"again"), ("baggage", b"user=7")]
    topic.put(("forged", came), key=b"k")
    topic.put(("after", []))

    async def consume() -> None:
        async with consuming(topic) as consumer, burying(letters) as letter_box:
            messages = SyntheticConsumer(consumer, on_refused=letter_box)
            with synthetic.simulated(run="whoever-receives"):
                assert await handled(messages, 1) == [("after", None)]
            await messages.commit()

    run(consume())
    (letter,) = letters.arrived(1)
    assert (letter.key(), letter.value()) == (b"k", b"forged")
    assert letter.headers() == [
        *came,
        ("synthetic-refused-reason", b"bad-signature"),
        ("synthetic-refused-topic", topic.name.encode()),
        ("synthetic-refused-partition", b"0"),
        ("synthetic-refused-offset", b"0"),
    ]
    assert topic.committed() == 2


def test_a_message_without_key_and_value_can_become_a_dead_letter(
    topic: Topic, letters: Topic, forged: Headers
) -> None:
    topic.put((None, forged), ("after", []))  # type: ignore[arg-type]

    async def consume() -> None:
        async with consuming(topic) as consumer, burying(letters) as letter_box:
            assert await handled(SyntheticConsumer(consumer, on_refused=letter_box), 1) == [("after", None)]

    run(consume())
    assert baggage_of(letters.arrived(1)[0]) == [forged[0][1].decode()]


def test_if_a_dead_letter_is_not_delivered_an_error_is_raised_and_the_message_comes_again(
    topic: Topic, letters: Topic, forged: Headers
) -> None:
    topic.put(("1", []), ("forged", forged), ("after", []))

    async def consume() -> None:
        async with consuming(topic) as consumer, burying(letters) as letter_box:
            failing = SyntheticConsumer(consumer, on_refused=nowhere)
            await handled(failing, 1)
            for _ in range(2):
                with pytest.raises(KafkaError, match="did not arrive"):
                    await failing.getone()
                await failing.commit()
                assert topic.committed() == 1
            assert await handled(SyntheticConsumer(consumer, on_refused=letter_box), 1) == [("after", None)]

    run(consume())
    assert len(letters.arrived(1)) == 1


def test_a_dead_letter_that_takes_too_long_raises_an_error(topic: Topic, letters: Topic, forged: Headers) -> None:
    topic.put(("forged", forged))

    async def consume() -> None:
        async with consuming(topic) as consumer, producing(topic) as producer:
            letter_box = DeadLetter(producer, letters.name, timeout=0)
            with pytest.raises(asyncio.TimeoutError):
                await SyntheticConsumer(consumer, on_refused=letter_box).getone()
            assert await consumer.position(TopicPartition(topic.name, 0)) == 0

    run(consume())


def test_a_message_comes_again_after_its_dead_letter_was_cancelled(
    topic: Topic, letters: Topic, forged: Headers
) -> None:
    topic.put(("forged", forged), ("after", []))

    async def consume() -> None:
        asked = asyncio.Event()

        async def wait_for_ever(refused: object) -> None:
            asked.set()
            await asyncio.Event().wait()

        async with consuming(topic) as consumer, burying(letters) as letter_box:
            task = asyncio.create_task(_received(SyntheticConsumer(consumer, on_refused=wait_for_ever)))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await handled(SyntheticConsumer(consumer, on_refused=letter_box), 1) == [("after", None)]

    run(consume())
    assert len(letters.arrived(1)) == 1


async def _received(messages: SyntheticConsumer) -> None:
    await messages.getone()


def test_a_refused_message_that_raises_comes_again_until_it_has_a_dead_letter(
    topic: Topic, letters: Topic, forged: Headers
) -> None:
    topic.put(("1", []), ("forged", forged), ("2", []))

    async def consume() -> None:
        async with consuming(topic) as consumer, burying(letters) as letter_box:
            messages = SyntheticConsumer(consumer, on_refused="raise")
            await handled(messages, 1)
            for _ in range(3):
                with pytest.raises(synthetic.MessageRefused, match="bad-signature"):
                    await messages.getone()
            await messages.commit()
            assert topic.committed() == 1
            assert await handled(SyntheticConsumer(consumer, on_refused=letter_box), 1) == [("2", None)]

    run(consume())


def test_a_parked_partition_waits_while_others_continue_and_no_message_is_lost(
    topic: Topic, marked: Callable[[str], Headers], keys: Keys
) -> None:
    synthetic.configure(keys=keys, halt=["stopped"])
    topic.put(("0 first", []), ("0 halted", marked("stopped")), *((f"0 {number}", []) for number in range(50)))

    async def consume() -> None:
        async with consuming(topic, 0, 1) as consumer:
            messages = SyntheticConsumer(consumer, on_refused=Park(0.1))
            assert await handled(messages, 1) == [("0 first", None)]
            topic.put(("1 first", []), ("1 second", marked("peak")), partition=1)
            assert await handled(messages, 2) == [("1 first", None), ("1 second", "peak")]
            await messages.commit()
            assert (topic.committed(), topic.committed(1)) == (1, 2)
            synthetic.configure(keys=keys)
            later = [("0 halted", "stopped"), *((f"0 {number}", None) for number in range(50))]
            assert await handled(messages, 51) == later
            await messages.commit()
            assert topic.committed() == 52

    run(consume())


def test_a_message_for_later_can_be_parked_while_others_become_dead_letters(
    topic: Topic, letters: Topic, marked: Callable[[str], Headers], forged: Headers, keys: Keys
) -> None:
    asked: list[bool] = []

    def sheds() -> bool:
        asked.append(len(asked) < 2)
        return asked[-1]

    synthetic.configure(keys=keys, shed=sheds)
    topic.put(("forged", forged), ("s", marked("peak")), ("r", []))

    async def consume() -> None:
        async with consuming(topic) as consumer, burying(letters) as letter_box:
            messages = SyntheticConsumer(consumer, on_refused=letter_box, on_later=Park(0.02))
            assert await handled(messages, 2) == [("s", "peak"), ("r", None)]

    run(consume())
    assert asked == [True, True, False]
    assert [letter.value() for letter in letters.arrived(1)] == [b"forged"]


# Batches


def test_a_batch_is_split_by_verdict_and_the_offset_waits_for_every_group(
    topic: Topic, letters: Topic, marked: Callable[[str], Headers], forged: Headers
) -> None:
    peak, other = marked("peak"), marked("other")
    topic.put(("r1", []), ("s1", peak), ("f1", forged), ("o1", other), ("r2", []), ("s2", peak), ("f2", forged))

    async def consume() -> None:
        seen = []
        async with consuming(topic) as consumer, burying(letters) as letter_box:
            messages = SyntheticConsumer(consumer, on_refused=letter_box)
            for group in await batch(messages, consumer, 7):
                with group as found:
                    seen.append([saw(message) for message in found])
                await messages.commit()
                seen.append(topic.committed())
        assert seen == [
            [("r1", None), ("r2", None)], 1,
            [("s1", "peak"), ("s2", "peak")], 3,
            [("o1", "other")], 7,
        ]  # fmt: skip

    run(consume())
    assert sorted(letter.value() for letter in letters.arrived(2)) == [b"f1", b"f2"]


def test_a_batch_has_the_limits_that_the_consumer_has(topic: Topic) -> None:
    topic.put(*((f"{number}", []) for number in range(20)))

    async def consume() -> None:
        seen: list[str] = []
        async with consuming(topic) as consumer:
            messages = SyntheticConsumer(consumer, on_refused="raise")
            while len(seen) < 20:
                for group in await messages.getmany(timeout_ms=100, max_records=7):
                    with group as found:
                        assert 1 <= len(found) <= 7
                        seen += [saw(message)[0] for message in found]
            assert await messages.getmany() == []
        assert seen == [f"{number}" for number in range(20)]

    run(consume())


def test_the_whole_batch_comes_again_if_a_dead_letter_is_not_delivered(
    topic: Topic, letters: Topic, marked: Callable[[str], Headers], forged: Headers
) -> None:
    topic.put(("r1", []), ("f1", forged), ("r2", []))
    topic.put(("s1", marked("peak")), partition=1)

    async def consume() -> None:
        async with consuming(topic, 0, 1) as consumer, burying(letters) as letter_box:
            with pytest.raises(KafkaError, match="did not arrive"):
                await batch(SyntheticConsumer(consumer, on_refused=nowhere), consumer, 4)
            seen = await handled(SyntheticConsumer(consumer, on_refused=letter_box), 3)
        assert sorted(seen) == [("r1", None), ("r2", None), ("s1", "peak")]

    run(consume())


# Beside OpenTelemetry, and killed


@needs(*AIOKAFKA)
def test_a_consumer_that_opentelemetry_instruments_gives_each_message_its_verdict(
    topic: Topic, letters: Topic, marked: Callable[[str], Headers], forged: Headers
) -> None:
    topic.put(("s", marked("peak")), ("f", forged), ("r", []), ("s", marked("peak")), ("r", []))

    async def consume() -> None:
        async with consuming(topic) as consumer, burying(letters) as letter_box:
            messages = SyntheticConsumer(consumer, on_refused=letter_box)
            with synthetic.simulated(run="outside"):
                assert await handled(messages, 4) == [("s", "peak"), ("r", None), ("s", "peak"), ("r", None)]

    from opentelemetry.instrumentation.aiokafka import AIOKafkaInstrumentor

    with traced(AIOKafkaInstrumentor, tracer_provider=TracerProvider()):
        run(consume())
    assert baggage_of(letters.arrived(1)[0]) == [forged[0][1].decode()]


WORKER = """
import asyncio, sys
import synthetic
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from synthetic_aiokafka import DeadLetter, SyntheticConsumer

synthetic.instrument("logging")
address, topic, group = sys.argv[1:]

async def consume():
    consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False,
                                auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, 0)])
    async with consumer, AIOKafkaProducer(bootstrap_servers=address) as producer:
        messages = SyntheticConsumer(consumer, on_refused=DeadLetter(producer, topic + ".refused"))
        async for one in messages:
            with one as message:
                found = synthetic.current()
                print(message.value.decode(), found and found.run, flush=True)
                await asyncio.to_thread(sys.stdin.readline)
            await messages.commit()

asyncio.run(consume())
"""


def test_a_message_keeps_its_verdict_after_its_consumer_was_killed_before_the_commit(
    topic: Topic, letters: Topic, marked: Callable[[str], Headers], forged: Headers, keys: Keys
) -> None:
    topic.put(("f", forged), ("s", marked("peak")), ("r", []))
    for _ in range(2):
        with _worker(topic, keys) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "s peak\n"
            os.kill(worker.pid, signal.SIGKILL)
    assert topic.committed() is None, "a message that was not done was passed"
    with _worker(topic, keys) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline() == "s peak\n"
        worker.stdin.write("\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == "r None\n"
        os.kill(worker.pid, signal.SIGKILL)
    assert topic.committed() == 2


def _worker(topic: Topic, keys: Keys) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, topic.address, topic.name, topic.group],
        env={**environment(), "SYNTHETIC_KEYS": json.dumps(keys)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
