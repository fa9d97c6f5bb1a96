"""Fixtures for the tests of NATS."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeAlias

import pytest

import synthetic
from synthetic._work.state import current_verdict
from tests.products import nats
from tests.products.nats import Session
from tests.support.work import instrumented

Run: TypeAlias = Callable[[Callable[[Session], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture(autouse=True)
def on(keys: dict[str, Any]) -> Iterator[None]:
    synthetic.configure(keys=keys)
    with instrumented("nats"):
        yield


@pytest.fixture
def run(nats_port: int) -> Run:
    """Runs a coroutine function with a session, and checks that it leaves no verdict behind."""

    def run(function: Callable[[Session], Coroutine[Any, Any, Any]]) -> Any:
        async def checked(session: Session) -> Any:
            given = await function(session)
            assert current_verdict() is None
            return given

        return nats.run(nats_port, checked)

    return run
