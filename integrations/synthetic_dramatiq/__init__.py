"""The marker in dramatiq messages: among their options, and in force while a worker processes them.

``instrument()`` (or ``synthetic.instrument("dramatiq")``), in what sends messages and in what processes them, covers
every broker; ``SyntheticTrafficMiddleware`` covers the one that it is added to.
"""

from __future__ import annotations

from dramatiq.broker import Broker
from dramatiq.worker import (
    _ConsumerThread,  # pyright: ignore[reportPrivateUsage]
    _WorkerThread,  # pyright: ignore[reportPrivateUsage]
)

from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic_dramatiq._middleware import SyntheticTrafficMiddleware
from synthetic_dramatiq._refusal import MessageSkipped
from synthetic_dramatiq._working import ending, processing, running, starting

__all__ = ["MessageSkipped", "SyntheticTrafficMiddleware", "instrument", "integration", "uninstrument"]

integration: Integration = Patches(
    Patch(Broker, "emit_before", starting),
    Patch(Broker, "emit_after", ending),
    Patch(_WorkerThread, "process_message", processing),
    Patch(_WorkerThread, "run", running),
    Patch(_ConsumerThread, "run", running),
)
"""The entry point ``dramatiq``."""


def instrument() -> None:
    """Carry the marker through every message of every broker. Done once, however often it is called.

    Before or after brokers and actors are made; in a worker, in the module that it is started with.
    """
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
