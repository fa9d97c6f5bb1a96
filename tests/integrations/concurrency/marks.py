"""Marks for the tests of threads, executors and processes."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

FORKS = [
    pytest.mark.filterwarnings("ignore:Using fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]
"""Eventlet warns of every fork once it is imported. Python 3.12 warns of a fork beside threads of other tests."""

NEEDS_SENTRY = pytest.mark.skipif(find_spec("sentry_sdk") is None, reason="sentry-sdk is not installed")
"""Sentry is not imported for this: it imports eventlet."""
