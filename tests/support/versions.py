"""What the oldest supported versions lack: the tests that need it are left out there, and say why."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.version import Version

AIOKAFKA = ("opentelemetry-instrumentation", "0.49b0", "has nothing for aiokafka")
SENTRY_BAGGAGE = ("sentry-sdk", "2.75", "sends no baggage of its own with these calls")
HTTPX2 = ("opentelemetry-instrumentation-httpx", "0.65b0", "has nothing for httpx2")
"""For the functions below: what instrumentations of others came to know only later."""


def is_before(distribution: str, release: str) -> bool:
    """Whether the installed version is older than ``release``, or none is installed."""
    try:
        return Version(version(distribution)) < Version(release)
    except PackageNotFoundError:
        return True


def skip_before(distribution: str, release: str, why: str) -> None:
    """Skip the test where the installed version is older than ``release``."""
    if is_before(distribution, release):
        pytest.skip(f"{distribution} before {release} {why}")


def needs(distribution: str, release: str, why: str) -> pytest.MarkDecorator:
    """A mark for tests that need that release, or a later one."""
    return pytest.mark.skipif(is_before(distribution, release), reason=f"{distribution} before {release} {why}")
