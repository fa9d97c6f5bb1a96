"""What the ways of gevent and of eventlet to start something share; for programs with and without patches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

Function = Callable[[], Any]
Hop = Callable[[Function], Any]


def threads(noted: Callable[[Callable[[Function], Any]], Hop]) -> dict[str, Hop]:
    """What is a greenlet under monkey patching. ``noted`` starts what gives no result, and waits for it."""
    return {
        "Thread": noted(lambda work: threading.Thread(target=work).start()),
        "Timer": noted(lambda work: threading.Timer(0, work).start()),
    }
