"""boto3: messages sent to SQS, to SNS and to EventBridge, and a consumer of SQS that handles a message or leaves it."""

from __future__ import annotations

from collections.abc import Callable

import synthetic
from synthetic_boto3 import admitted
from tests.contract.messages import eventually
from tests.matrix.cases import Case, Hop, judged, seen
from tests.products.boto3 import Queue, Send, baggage_on, contrib, to_bridge, to_sns, to_sqs


def _out(to: Callable[[Queue], Send]) -> Callable[[Case, str], str]:
    def pass_on(case: Case, url: str) -> str:
        synthetic.instrument("boto3")
        queue = Queue(url)
        send = to(queue)
        try:
            with case.work() as baggage:
                send("ride", baggage)
        except synthetic.UnverifiedMarker:
            assert queue.is_empty()
            return "refused"
        header = baggage_on(queue.only())
        return judged([] if header is None else [header])

    return pass_on


def _in(case: Case, url: str) -> str:
    synthetic.instrument("boto3")
    queue = Queue(url)
    queue.put("ride", case.joined())
    (message,) = eventually(lambda: queue.received() or None)
    try:
        with admitted(message):
            return seen()
    except synthetic.MessageRefused:
        assert eventually(lambda: _dead(queue)) == ["ride"]
        return "refused"


def _dead(queue: Queue) -> list[str] | None:
    queue.received()  # a message that is not deleted comes again, until it is dead
    return queue.dead_letters() or None


HOPS: list[Hop] = [
    Hop("boto3, SQS, send", "boto3", _out(to_sqs), {"contrib": contrib}, brokers=("aws",)),
    Hop("boto3, SNS, publish", "boto3", _out(to_sns), {"contrib": contrib}, brokers=("aws",)),
    Hop("boto3, EventBridge, put", "boto3", _out(to_bridge), {"contrib": contrib}, brokers=("aws",)),
    Hop("boto3, SQS, receive", "boto3", _in, {"contrib": contrib}, brokers=("aws",)),
]
