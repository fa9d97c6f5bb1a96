"""Carries the marker in dramatiq messages: it is one of their options, and is in force while a worker processes them.

``synthetic.instrument("dramatiq")`` covers every broker, before or after you make brokers and actors. Call it in the
processes that send messages and in the workers that process them; in a worker, call it in the module that the worker is
started with. Without it, add ``SyntheticTrafficMiddleware`` to a broker, which covers that broker only.
"""

from __future__ import annotations

from dramatiq.broker import Broker
from dramatiq.worker import (
    _ConsumerThread,  # pyright: ignore[reportPrivateUsage]
    _WorkerThread,  # pyright: ignore[reportPrivateUsage]
)

from synthetic.integration import Integration, Patch, Patches
from synthetic_dramatiq._explicit import SyntheticTrafficMiddleware
from synthetic_dramatiq._in import processing, running
from synthetic_dramatiq._out import ending, starting
from synthetic_dramatiq._refusal import MessageSkipped

__all__ = ["MessageSkipped", "SyntheticTrafficMiddleware", "integration"]

integration: Integration = Patches(
    Patch(Broker, "emit_before", starting),
    Patch(Broker, "emit_after", ending),
    Patch(_WorkerThread, "process_message", processing),
    Patch(_WorkerThread, "run", running),
    Patch(_ConsumerThread, "run", running),
)
"""The entry point ``dramatiq``."""
