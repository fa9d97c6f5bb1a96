"""nats-py: core NATS and JetStream, and a real server in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.messages import Broker, MessageContract
from tests.products.nats import Core, JetStream, Pull
from tests.support.asyncio_thread import Loop


class TestCore(MessageContract):
    our_part = "synthetic_nats._out.outgoing"

    kind: type[Core] = Core

    @pytest.fixture
    def broker(self, nats_port: int, loop: Loop, _configured: None) -> Iterator[Broker]:
        broker = self.kind(nats_port, loop)
        try:
            yield broker
        finally:
            broker.close()


class TestJetStream(TestCore):
    kind = JetStream


class TestPull(TestCore):
    kind = Pull
