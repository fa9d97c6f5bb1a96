"""pika, instrumented, still behaves as its documentation says."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel
from pika.exceptions import DuplicateConsumerTag, UnroutableError

import synthetic
from synthetic._work.state import current_verdict
from tests.docs.pages import names_defined_in
from tests.products.pika import turn
from tests.products.rabbitmq import Queue, channel_to
from tests.support.work import FORGED, PEAK, in_force


@pytest.mark.parametrize("headers", [None, {}, {"attempt": 1, "baggage": "user=7"}])
def test_the_callers_properties_stay_as_they_were(channel: BlockingChannel, queue: Queue, headers: Any) -> None:
    properties = pika.BasicProperties(headers=headers, content_type="text/plain", priority=3, delivery_mode=2)
    before = None if headers is None else dict(headers)
    with synthetic.simulated(run="peak"):
        channel.basic_publish("", queue.name, b"simulated", properties)
    with synthetic.real():
        channel.basic_publish("", queue.name, b"real", properties)
    assert (properties.headers, properties.content_type, properties.priority) == (before, "text/plain", 3)
    _, simulated, _ = channel.basic_get(queue.name, auto_ack=True)
    _, real, _ = channel.basic_get(queue.name, auto_ack=True)
    assert simulated is not None
    assert real is not None
    assert (simulated.content_type, simulated.priority, simulated.delivery_mode) == ("text/plain", 3, 2)
    assert simulated.headers["baggage"].startswith("synthetic-traffic=")
    assert real.headers == before


@pytest.mark.parametrize("work", [synthetic.real, lambda: synthetic.simulated(run="peak")], ids=["real", "simulated"])
def test_confirms_returns_and_transactions_work(rabbitmq_port: int, queue: Queue, work: Any) -> None:
    with channel_to(rabbitmq_port) as confirming, work():
        confirming.confirm_delivery()
        confirming.basic_publish("", queue.name, b"confirmed", mandatory=True)
        with pytest.raises(UnroutableError) as returned:
            confirming.basic_publish("", "no-such-queue", b"returned", mandatory=True)
        assert returned.value.messages[0].body == b"returned"
    with channel_to(rabbitmq_port) as transacting, work():
        transacting.tx_select()
        transacting.basic_publish("", queue.name, b"dropped")
        transacting.tx_rollback()
        transacting.basic_publish("", queue.name, b"kept")
        transacting.tx_commit()
    assert [body for _, _, body in messages_in(queue)] == [b"confirmed", b"kept"]


def messages_in(queue: Queue) -> Iterator[Any]:
    while (got := queue.channel.basic_get(queue.name, auto_ack=True))[0] is not None:
        yield got


def test_an_answer_carries_the_marker_and_the_caller_keeps_its_own_work(
    rabbitmq_port: int, channel: BlockingChannel, queue: Queue
) -> None:
    """RabbitMQ's direct reply-to: request and answer are both messages with a verdict."""
    seen: dict[str, Any] = {}

    def serve(serving: Any, method: Any, properties: Any, body: bytes) -> None:
        seen["server"] = in_force()
        reply = pika.BasicProperties(correlation_id=properties.correlation_id)
        serving.basic_publish("", properties.reply_to, b"answer", reply)
        serving.basic_ack(method.delivery_tag)

    def answered(_: Any, method: Any, properties: Any, body: bytes) -> None:
        seen[properties.correlation_id] = in_force()

    with channel_to(rabbitmq_port) as calling:
        channel.basic_consume(queue.name, serve)
        calling.basic_consume("amq.rabbitmq.reply-to", answered, auto_ack=True)
        with synthetic.simulated(run="peak"):
            asking = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="7")
            calling.basic_publish("", queue.name, b"question", asking)
        turn(channel, until=lambda: "server" in seen)
        with synthetic.real():
            turn(calling, until=lambda: "7" in seen)
            assert not synthetic.is_synthetic()
    assert seen == {"server": PEAK, "7": PEAK}


# On and off


def test_instrument_patches_once_and_uninstrument_restores_the_originals() -> None:
    synthetic.uninstrument("pika")
    targets = [(Channel, "basic_publish"), (Channel, "basic_consume"), (Channel, "basic_get")]
    targets.append((BlockingChannel, "basic_consume"))
    originals = [vars(owner)[name] for owner, name in targets]
    synthetic.instrument("pika")
    wrapped = [vars(owner)[name] for owner, name in targets]
    synthetic.instrument("pika")
    assert [vars(owner)[name] for owner, name in targets] == wrapped
    for ours, original in zip(wrapped, originals, strict=True):
        assert ours is not original
        assert inspect.signature(ours) == inspect.signature(original)
    synthetic.uninstrument("pika")
    assert [vars(owner)[name] for owner, name in targets] == originals


def test_after_uninstrument_an_existing_consumer_admits_no_messages(
    channel: BlockingChannel, queue: Queue, good: str
) -> None:
    seen: list[Any] = []
    channel.basic_consume(queue.name, lambda *_: seen.append(current_verdict()), auto_ack=True)
    synthetic.uninstrument("pika")
    queue.put("one", good)
    turn(channel, until=lambda: seen)
    assert seen == [None]


def test_wrong_arguments_raise_the_errors_of_pika(channel: BlockingChannel, queue: Queue) -> None:
    wrong: Any = "no function"
    with pytest.raises(TypeError):
        channel.basic_consume(queue.name, wrong)
    tag = channel.basic_consume(queue.name, lambda *_: None)
    with pytest.raises(DuplicateConsumerTag):
        channel.basic_consume(queue.name, lambda *_: None, consumer_tag=tag)


# The examples of the page


@pytest.mark.parametrize("way", ["work", "work_one_by_one", "work_explicitly"])
def test_the_examples_of_the_page_do_what_it_says(
    channel: BlockingChannel, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    page = names_defined_in("docs/integrations/pika.md")  # switches it off at its end
    book = page["book"] if way != "work_explicitly" else page["book_explicitly"]
    if way != "work_explicitly":
        synthetic.instrument("pika")
    page["declare"](channel)
    try:
        with synthetic.simulated(run="peak"):
            book(channel, b"one")
        book(channel, b"two")
        channel.basic_publish("", "rides", b"three", pika.BasicProperties(headers={"baggage": FORGED}))
        channel.connection.call_later(0.3, channel.stop_consuming)
        page[way](channel)
        assert capsys.readouterr().out == "a simulated ride: one\n"
        assert channel.queue_declare("rides", passive=True).method.message_count == 0
        _, _, body = channel.basic_get("rides-dead", auto_ack=True)
        assert body == b"three"
    finally:
        for name in ("rides", "rides-dead"):
            channel.queue_delete(name)
