"""Shared by gevent and eventlet: threads, which are greenlets in a monkey-patched program."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

Function = Callable[[], Any]
Hop = Callable[[Function], Any]


def threads(noted: Callable[[Callable[[Function], Any]], Hop]) -> dict[str, Hop]:
    """Hops over threads. ``noted`` starts work that gives no result, and waits for it."""
    return {
        "Thread": noted(lambda work: threading.Thread(target=work).start()),
        "Timer": noted(lambda work: threading.Timer(0, work).start()),
    }
