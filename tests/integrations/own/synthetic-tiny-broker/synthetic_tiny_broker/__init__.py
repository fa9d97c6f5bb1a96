"""Carries the marker in messages that you send and receive with tiny-broker."""

from __future__ import annotations

from tiny_broker import Broker

from synthetic.integration import Integration, Patch, Patches
from synthetic_tiny_broker._in import starting, subscribing
from synthetic_tiny_broker._out import publishing

__all__ = ["integration"]

integration: Integration = Patches(
    Patch(Broker, "publish", publishing),
    Patch(Broker, "subscribe", subscribing),
    Patch(Broker, "start", starting),
)
