"""Takes rides from Kafka and prices each by gRPC. One in seven calls fails at first and is repeated."""

from __future__ import annotations

import os
import sys

import synthetic

synthetic.instrument()

import confluent_kafka  # noqa: E402
import grpc  # noqa: E402

from synthetic_confluent_kafka import DeadLetter, SyntheticConsumer  # noqa: E402
from tests.e2e import store  # noqa: E402

bootstrap = {"bootstrap.servers": os.environ["E2E_KAFKA"]}
settings = {"group.id": "pricing", "auto.offset.reset": "earliest", "enable.auto.offset.store": False}
settings |= {"auto.commit.interval.ms": 100, "session.timeout.ms": 6000}


def main() -> None:
    kafka = confluent_kafka.Consumer({**bootstrap, **settings})
    kafka.subscribe(["rides"])
    consumer = SyntheticConsumer(kafka, on_refused=DeadLetter(confluent_kafka.Producer(bootstrap), "rides.refused"))
    price = grpc.insecure_channel(os.environ["E2E_GRPC"]).unary_unary("/rides.Pricing/Price")
    print("consuming", flush=True)
    while True:
        for group in consumer.consume(50, 0.1):
            with group as messages:
                for message in messages:
                    if message.error() is None:
                        _handle(price, message.value().decode())


def _handle(price: grpc.UnaryUnaryMultiCallable[bytes, bytes], id_: str) -> None:
    store.record("kafka", id_)
    for _ in range(3):
        try:
            price(id_.encode(), timeout=30)
            return
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:  # type: ignore[attr-defined]
                raise
    sys.exit(f"{id_} could not be priced")


if __name__ == "__main__":
    main()
