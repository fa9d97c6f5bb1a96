"""structlog: the processor, in the chains that its users have."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

import synthetic
from synthetic_structlog import add_synthetic
from tests.products import structlog as product
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import mint, shared_key

Keys = dict[str, Any]
FIELDS = {"synthetic": True, "synthetic_run": "peak", "synthetic_kind": "load", "synthetic_actor": "rider-7"}


@pytest.fixture(autouse=True)
def configured(keys: Keys) -> Iterator[None]:
    synthetic.configure(keys=keys)
    yield
    structlog.reset_defaults()


@pytest.fixture
def log() -> tuple[Any, list[Any]]:
    """A logger, and the events that came out of it."""
    return product.logger()


def test_an_event_of_simulated_work_has_what_the_marker_says(log: tuple[Any, list[Any]]) -> None:
    logger, events = log
    with synthetic.simulated(run="peak", kind="load", actor="rider-7"):
        logger.info("booked", ride=7)
    assert events == [{"event": "booked", "ride": 7, "log_level": "info", **FIELDS}]


def test_an_event_of_real_work_stays_as_it_is(log: tuple[Any, list[Any]]) -> None:
    logger, events = log
    logger.info("booked")
    with synthetic.simulated(run="peak"), synthetic.real():
        logger.info("booked")
    assert events == [{"event": "booked", "log_level": "info"}] * 2


def test_a_key_that_the_event_already_has_is_kept(log: tuple[Any, list[Any]]) -> None:
    logger, events = log
    with synthetic.simulated(run="peak"):
        logger.info("booked", synthetic="mine")
    assert (events[0]["synthetic"], events[0]["synthetic_run"]) == ("mine", "peak")


def test_a_marker_that_does_not_verify_is_logged_as_unverified_and_raises_nothing(log: tuple[Any, list[Any]]) -> None:
    logger, events = log
    with brought_by_opentelemetry(mint(shared_key())):
        logger.info("booked")
    assert events == [{"event": "booked", "log_level": "info", "synthetic": "unverified"}]


def test_the_fields_are_rendered_as_json() -> None:
    text = io.StringIO()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, add_synthetic, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(text),
    )
    with synthetic.simulated(run="peak", kind="load", actor="rider-7"):
        structlog.get_logger().info("booked")
    structlog.get_logger().info("booked")
    simulated, real = map(json.loads, text.getvalue().splitlines())
    assert simulated == {"event": "booked", **FIELDS}
    assert real == {"event": "booked"}


def test_the_asynchronous_methods_log_the_fields_of_the_awaiting_work() -> None:
    events = structlog.testing.LogCapture()
    structlog.configure(processors=[add_synthetic, events], wrapper_class=structlog.make_filtering_bound_logger(0))

    async def work(run: str) -> None:
        with synthetic.simulated(run=run):
            await structlog.get_logger().ainfo(run)

    async def main() -> None:
        await asyncio.gather(work("first"), work("second"), structlog.get_logger().ainfo("real"))

    asyncio.run(main())
    assert {event["event"]: event.get("synthetic_run") for event in events.entries} == {
        "first": "first",
        "second": "second",
        "real": None,
    }


def test_records_of_the_standard_library_pass_through_the_same_processor() -> None:
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[add_synthetic],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )
    handler.setFormatter(formatter)
    logger = logging.Logger("rides")
    logger.addHandler(handler)
    with synthetic.simulated(run="peak", kind="load", actor="rider-7"):
        logger.warning("booked")
    logger.warning("booked")
    simulated, real = map(json.loads, text.getvalue().splitlines())
    assert simulated == {"event": "booked", **FIELDS}
    assert real == {"event": "booked"}
