"""Fixtures for the tests of integrations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from tests.support.asyncio_thread import Loop
from tests.support.keys import entry, mint
from tests.support.recording_server import RecordingServer


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


@pytest.fixture
def instrumented() -> Iterator[None]:
    synthetic.instrument("requests")
    yield
    synthetic.uninstrument("requests")


@pytest.fixture
def good(keys: dict[str, Any]) -> str:
    """A ``baggage`` header with a good marker of the run "peak"."""
    return entry(mint(keys, claims={"run": "peak"}))


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """An event loop in a thread."""
    loop = Loop()
    yield loop
    loop.close()
