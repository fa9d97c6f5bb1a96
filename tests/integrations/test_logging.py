"""The fields on records of the standard library's logging, instrumented or through the filter."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import queue
import threading
from collections.abc import Iterator
from contextvars import Context, copy_context
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage, context

import synthetic
import synthetic_logging
from synthetic_logging import SyntheticFilter, names
from tests.products import logging as product
from tests.support import switches
from tests.support.clients import brought_by_opentelemetry, run_script
from tests.support.keys import mint, shared_key

Keys = dict[str, Any]
ORIGINAL = logging.Logger.makeRecord
REAL = (False, "", "", "", "")
UNVERIFIED = ("unverified", "", "", "", "")


class Kept(product.Kept):
    @property
    def fields(self) -> tuple[Any, ...]:
        """The fields of the one record that was kept since the last question."""
        (record,) = self.records
        self.records.clear()
        return tuple(vars(record)[name] for name in names)


@pytest.fixture(autouse=True)
def configured(keys: Keys) -> None:
    synthetic.configure(keys=keys)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("rides")
    before = logger.handlers, logger.propagate
    logger.propagate = False
    yield logger
    logger.handlers, logger.propagate = before


@pytest.fixture
def instrumented() -> Iterator[None]:
    with switches.instrumented("logging"):
        yield
    assert logging.Logger.makeRecord is ORIGINAL


class LoggingContract:
    """What a record has, whoever put it there."""

    @pytest.fixture
    def kept(self, logger: logging.Logger) -> Kept:
        raise NotImplementedError

    def test_a_record_of_simulated_work_has_what_the_marker_says(self, kept: Kept, logger: logging.Logger) -> None:
        with synthetic.simulated(run="rush-hour", kind="load", actor="rider-7", scenario="book"):
            logger.warning("booked")
        assert kept.fields == (True, "rush-hour", "load", "rider-7", "book")

    def test_a_field_that_the_marker_lacks_is_empty(self, kept: Kept, logger: logging.Logger) -> None:
        with synthetic.simulated(run="rush-hour"):
            logger.warning("booked")
        assert kept.fields == (True, "rush-hour", "simulation", "", "")

    def test_a_record_of_real_work_says_so(self, kept: Kept, logger: logging.Logger) -> None:
        logger.warning("booked")
        assert kept.fields == REAL
        with synthetic.simulated(run="rush-hour"), synthetic.real():
            logger.warning("booked")
        assert kept.fields == REAL

    def test_a_marker_that_only_opentelemetry_carries_counts(
        self, kept: Kept, logger: logging.Logger, keys: Keys
    ) -> None:
        with brought_by_opentelemetry(mint(keys, claims={"run": "peak"})):
            logger.warning("booked")
        assert kept.fields[:2] == (True, "peak")
        attached = context.attach(baggage.set_baggage("tenant", "7"))
        logger.warning("booked")
        context.detach(attached)
        assert kept.fields == REAL

    def test_a_marker_that_does_not_verify_is_logged_as_unverified_and_raises_nothing(
        self, kept: Kept, logger: logging.Logger
    ) -> None:
        with brought_by_opentelemetry(mint(shared_key())):
            logger.warning("booked")
        assert kept.fields == UNVERIFIED

    def test_a_format_may_name_the_fields(self, kept: Kept, logger: logging.Logger) -> None:
        text = io.StringIO()
        handler = logging.StreamHandler(text)
        handler.setFormatter(logging.Formatter("%(synthetic)s [%(synthetic_run)s] %(message)s"))
        logger.addHandler(handler)
        logger.warning("booked")
        with synthetic.simulated(run="peak"):
            logger.warning("booked")
        assert text.getvalue().splitlines() == ["False [] booked", "True [peak] booked"]

    def test_an_extra_of_the_caller_wins_over_a_field_of_the_same_name(
        self, kept: Kept, logger: logging.Logger
    ) -> None:
        for extra, expected in (
            ({"synthetic": "mine"}, ("mine", "peak")),
            ({"synthetic_run": "mine", "ride": 7}, (True, "mine")),
        ):
            with synthetic.simulated(run="peak"):
                logger.warning("booked", extra=extra)
            assert kept.fields[:2] == expected
            logger.warning("booked", extra=extra)
            assert kept.fields[:2] == tuple(extra.get(name, REAL[number]) for number, name in enumerate(names[:2]))

    def test_an_extra_that_logging_itself_refuses_is_still_refused(self, kept: Kept, logger: logging.Logger) -> None:
        with pytest.raises(KeyError, match="Attempt to overwrite"):
            logger.warning("booked", extra={"message": "mine"})

    def test_the_other_arguments_of_a_call_are_kept(self, kept: Kept, logger: logging.Logger) -> None:
        with synthetic.simulated(run="peak"):
            try:
                raise ValueError("no")
            except ValueError:
                logger.exception("booked %s", "taxi", stack_info=True, extra={"ride": 7})
        (record,) = kept.records
        assert (record.getMessage(), record.funcName, vars(record)["ride"]) == (
            "booked taxi",
            "test_the_other_arguments_of_a_call_are_kept",
            7,
        )
        assert record.exc_info is not None
        assert "Stack (most recent call last)" in (record.stack_info or "")

    def test_a_record_that_is_written_later_has_the_fields_of_the_work_that_logged_it(
        self, kept: Kept, logger: logging.Logger
    ) -> None:
        waiting: queue.Queue[Any] = queue.Queue()
        written = Kept()
        ours = QueueHandler(waiting)
        for filter_ in kept.filters:
            ours.addFilter(filter_)
        logger.handlers = [ours]
        listener = QueueListener(waiting, written)
        with synthetic.simulated(run="peak"):
            logger.warning("booked")
        listener.start()
        listener.stop()
        assert written.fields[:2] == (True, "peak")

    def test_a_record_pickles_and_copies_with_its_fields(self, kept: Kept, logger: logging.Logger) -> None:
        with synthetic.simulated(run="peak"):
            logger.warning("booked")
        (record,) = kept.records
        for other in (pickle.loads(pickle.dumps(record)), copy.copy(record), logging.makeLogRecord(vars(record))):
            assert vars(other)["synthetic_run"] == "peak"

    def test_each_thread_logs_the_marker_of_its_own_work(self, kept: Kept, logger: logging.Logger) -> None:
        def work(run: str) -> None:
            with synthetic.simulated(run=run):
                for _ in range(20):
                    logger.warning(run)

        threads = [threading.Thread(target=work, args=(f"run-{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(kept.records) == 80
        assert all(vars(record)["synthetic_run"] == record.msg for record in kept.records)


@pytest.mark.usefixtures("instrumented")
class TestInstrumented(LoggingContract):
    @pytest.fixture
    def kept(self, logger: logging.Logger) -> Kept:
        logger.handlers = [Kept()]
        return logger.handlers[0]  # type: ignore[return-value]


class TestFilterOfTheLogger(LoggingContract):
    @pytest.fixture
    def kept(self, logger: logging.Logger) -> Iterator[Kept]:
        logger.handlers = [Kept()]
        ours = SyntheticFilter()
        logger.addFilter(ours)
        yield logger.handlers[0]  # type: ignore[misc]
        logger.removeFilter(ours)


class TestFilterOfTheHandler(LoggingContract):
    @pytest.fixture
    def kept(self, logger: logging.Logger) -> Kept:
        kept = Kept()
        kept.addFilter(SyntheticFilter())
        logger.handlers = [kept]
        return kept

    def test_a_format_may_name_the_fields(self, kept: Kept, logger: logging.Logger) -> None:
        """Of that handler."""
        kept.setFormatter(logging.Formatter("%(synthetic)s [%(synthetic_run)s] %(message)s"))
        logger.warning("booked")
        assert kept.format(kept.records[0]) == "False [] booked"


@pytest.mark.usefixtures("instrumented")
class TestBoth(TestFilterOfTheLogger):
    pass


def test_a_filter_with_a_name_lets_only_that_logger_pass(logger: logging.Logger) -> None:
    kept = Kept()
    kept.addFilter(SyntheticFilter("payments"))
    logger.handlers = [kept]
    logger.warning("booked")
    assert kept.records == []


def test_fields_returns_the_fields_of_the_current_work(keys: Keys) -> None:
    assert synthetic_logging.fields() == {}
    with synthetic.simulated(run="peak", actor="rider-7"):
        assert synthetic_logging.fields() == dict(zip(names, (True, "peak", "simulation", "rider-7", ""), strict=True))
    with brought_by_opentelemetry("nonsense"):
        assert synthetic_logging.fields() == {"synthetic": "unverified"}


# On and off, beside others


def test_uninstrument_puts_the_original_back(logger: logging.Logger) -> None:
    logger.handlers = [Kept()]
    for _ in range(2):
        synthetic.instrument("logging")
        synthetic.instrument("logging")
        assert logging.Logger.makeRecord is not ORIGINAL
        synthetic.uninstrument("logging")
        synthetic.uninstrument("logging")
        assert logging.Logger.makeRecord is ORIGINAL
    logger.warning("booked")
    assert "synthetic" not in vars(logger.handlers[0].records[0])  # type: ignore[attr-defined]


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("theirs_off_first", [True, False])
def test_both_add_their_fields_in_any_order_with_opentelemetry(
    logger: logging.Logger, ours_first: bool, theirs_off_first: bool
) -> None:
    logger.handlers = [kept] = [Kept()]
    theirs = switches.made_or_skipped(product.instrumentor)
    factory = logging.getLogRecordFactory()

    def theirs_on() -> None:
        theirs.instrument(inject_trace_context=True, enable_log_auto_instrumentation=False)

    on = [lambda: synthetic.instrument("logging"), theirs_on]
    for switch in on if ours_first else reversed(on):
        switch()
    with synthetic.simulated(run="peak"):
        logger.warning("booked")
    assert vars(kept.records[0])["otelTraceID"] == "0"
    assert kept.fields[:2] == (True, "peak")
    if theirs_off_first:
        theirs.uninstrument()
        logger.warning("booked")
        assert kept.fields == REAL
    synthetic.uninstrument("logging")
    theirs.uninstrument()
    assert logging.Logger.makeRecord is ORIGINAL
    assert logging.getLogRecordFactory() is factory


@pytest.mark.usefixtures("instrumented")
def test_a_custom_record_factory_is_still_used(logger: logging.Logger) -> None:
    class Own(logging.LogRecord):
        pass

    logger.handlers = [kept] = [Kept()]
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Own)
    try:
        logger.warning("booked")
    finally:
        logging.setLogRecordFactory(before)
    assert isinstance(kept.records[0], Own)
    assert kept.fields == REAL


class OwnLogger(logging.Logger):
    """Makes its records in its own way, and asks for the usual one."""

    def makeRecord(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = super().makeRecord(*args, **kwargs)
        vars(record)["own"] = True
        return record


@pytest.mark.usefixtures("instrumented")
def test_a_custom_logger_class_is_covered() -> None:
    logger = OwnLogger("own")
    logger.addHandler(kept := Kept())
    with synthetic.simulated(run="peak"):
        logging.LoggerAdapter(logger, {"ride": 7}).warning("booked")
    assert (vars(kept.records[0])["own"], vars(kept.records[0])["ride"]) == (True, 7)
    assert kept.fields[:2] == (True, "peak")


# What goes wrong meanwhile


@pytest.mark.usefixtures("instrumented")
def test_a_record_logged_during_verification_starts_no_second_one(
    logger: logging.Logger, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key file that changed for the worse is such a moment."""
    monkeypatch.setattr("synthetic._config.watched._LOOK_AGAIN", 0)
    ours = logging.getLogger("synthetic")
    monkeypatch.setattr(ours, "propagate", False)
    file = tmp_path / "keys.jwks"
    file.write_text(json.dumps(keys))
    synthetic.configure(keys=str(file))
    logger.handlers = [kept] = [Kept()]
    ours.addHandler(complaints := Kept())
    token = mint(keys, claims={"run": "peak"})
    file.write_text("no longer keys")
    try:
        with brought_by_opentelemetry(token):
            logger.warning("booked")
    finally:
        ours.removeHandler(complaints)
    assert kept.fields[:2] == (True, "peak")
    assert complaints.fields == REAL


HALF_CONFIGURED = """
import logging
import synthetic
from opentelemetry import baggage, context

synthetic.instrument("logging")
logging.basicConfig(format="%(synthetic)s [%(synthetic_run)s] %(message)s")
logging.warning("real")
context.attach(baggage.set_baggage("synthetic-traffic", "a.b.c"))
logging.warning("asked")
"""


def test_logging_goes_on_with_a_wrong_configuration() -> None:
    script = "import os, sys; os.environ['SYNTHETIC_KEYS'] = 'nowhere.jwks'; sys.stderr = sys.stdout\n"
    printed = run_script(script + HALF_CONFIGURED).splitlines()
    assert printed == ["False [] real", "unverified [] asked"]


def test_a_copied_context_logs_its_own_marker(logger: logging.Logger) -> None:
    logger.handlers = [kept] = [Kept()]
    kept.addFilter(SyntheticFilter())
    with synthetic.simulated(run="peak"):
        copied = copy_context()
        copied.run(logger.warning, "booked")
    assert kept.fields[:2] == (True, "peak")
    Context().run(logger.warning, "booked")
    assert kept.fields == REAL
