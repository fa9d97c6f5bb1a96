"""``shed="auto"`` in consumers of pika, in threads: a simulated message that has no place goes back to its queue."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import synthetic
import synthetic_pika._refusal
from tests.products.rabbitmq import Queue, channel_to
from tests.support.servers import PATIENCE, wait_until
from tests.support.shedding import places, unhurried
from tests.support.work import PEAK, REAL, in_force


@pytest.mark.parametrize("auto_ack", [False, True])
def test_a_second_simulated_message_comes_later_and_a_real_one_at_once(
    rabbitmq_port: int, queue: Queue, good: str, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch, auto_ack: bool
) -> None:
    """With ``auto_ack`` it would be lost, so it is handled at once."""
    monkeypatch.setattr(synthetic_pika._refusal, "PAUSE", 0.05)
    synthetic.configure(keys=keys, shed="auto")
    seen: list[Any] = []
    gate, stop = threading.Event(), threading.Event()
    consumers = threading.Barrier(4)

    def handle(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        seen.append((body.decode(), in_force()))
        if body == b"first":
            assert gate.wait(60)
        if not auto_ack:
            channel.basic_ack(method.delivery_tag)

    def consume() -> None:
        with channel_to(rabbitmq_port) as channel:
            channel.basic_qos(prefetch_count=1)  # or a message waits for the consumer that is at work
            channel.basic_consume(queue.name, handle, auto_ack=auto_ack)
            consumers.wait(PATIENCE)
            while not stop.is_set():
                channel.connection.process_data_events(0.02)  # type: ignore[arg-type, unused-ignore]

    threads = [threading.Thread(target=consume) for _ in range(3)]
    with unhurried():
        try:
            for thread in threads:
                thread.start()
            consumers.wait(PATIENCE)  # what is sent before is for those that are there
            queue.put("first", good)
            wait_until(lambda: bool(seen))
            with synthetic.ledger.recorded() as refused:
                for _ in range(1 if not auto_ack else 2):
                    queue.put("second", good)  # the broker gives each consumer its turn: one may be at work
                if not auto_ack:
                    wait_until(lambda: len(refused) >= 2)
                    for _ in range(3):
                        queue.put("real", None)
                    wait_until(lambda: ("real", REAL) in seen)
                    assert ("second", PEAK) not in seen
                else:
                    wait_until(lambda: ("second", PEAK) in seen)
            gate.set()
            wait_until(lambda: ("second", PEAK) in seen)
            wait_until(lambda: not places())
            assert not queue.has_dead_letter("second")
        finally:
            gate.set()
            stop.set()
            for thread in threads:
                thread.join()
