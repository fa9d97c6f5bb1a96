"""Which calls send telemetry: spans, metrics, errors and feature flags of everybody. They are not refused."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

__all__ = ["sends_telemetry"]

_SENDERS: Final = (
    "datadog.api.",
    "datadog.dogstatsd.",
    "datadog.threadstats.",
    "ddtrace.internal.",
    "ld_eventsource.",
    "ldclient.",
    "openfeature.contrib.provider.",
    "opentelemetry.exporter.",
    "sentry_sdk.transport.",
    "statsd.",
)
"""Modules and packages that only send. Those that wrap an application's calls are not here."""


def sends_telemetry() -> bool:
    """Return whether an SDK for telemetry or feature flags makes the current call."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if f"{frame.f_globals.get('__name__', '')}.".startswith(_SENDERS):
            return True
        frame = frame.f_back
    return False
