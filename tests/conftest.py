"""Fixtures for every test."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import context

import synthetic
from synthetic._config import advice
from tests.support import brokers
from tests.support.keys import shared_key

CHROMIUM = "/usr/bin/chromium"

# Eventlet warns of itself unless it is told so; Sentry, among others, imports it wherever it is installed.
os.environ["EVENTLET_TESTS"] = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the heavy tests at full size")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """More workers than cores: a good part of the tests wait for a server or a process."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return cores + 4


def pytest_collection_finish() -> None:
    """Every product is imported by now, and stays: no collection of garbage need look through that again (0.3 s)."""
    gc.freeze()


@pytest.fixture
def long_run(request: pytest.FixtureRequest) -> bool:
    """Whether heavy tests run at full size."""
    return bool(request.config.getoption("--long"))


@pytest.fixture
def keys() -> dict[str, Any]:
    """A JWKS with one shared secret, ``kid`` "test"."""
    return shared_key()


@pytest.fixture(scope="session", autouse=True)
def installed() -> Iterator[None]:
    """What is installed does not change meanwhile: it is read once (20 ms), not again by each ``instrument()``."""

    @cache
    def found(path: tuple[str, ...], group: str) -> Any:
        return entry_points(group=group)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("synthetic._instrument.instrument.entry_points", lambda *, group: found((*sys.path,), group))
        yield


@pytest.fixture(scope="session", autouse=True)
def advised() -> None:
    """What is logged once per process was logged: no test sees it only because it is the first one."""
    advice._given.add("environment")


@pytest.fixture(autouse=True)
def configuration(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every test starts with a clean environment, in an empty folder, and leaves the configuration as it was."""
    for name in [name for name in os.environ if name.startswith("SYNTHETIC_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))
    # What some instrumentation of others leaves behind in a context is theirs, and not for the next test.
    clean = context.attach(context.Context())
    with synthetic.configured():
        synthetic.configure()
        # Most tests instrument nothing, and their simulated work is not to be refused for that.
        for module in ("synthetic._admission.decision", "synthetic._work.claimed", "synthetic._work.scopes"):
            monkeypatch.setattr(f"{module}.INSTRUMENTED", {"a test"})
        yield
    context.detach(clean)


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    """Workers that ran in a test leave their handlers behind, and a later test's own processes could not be ended."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


# Brokers, each started once for all tests of a process.


@pytest.fixture(scope="session")
def valkey_port() -> Iterator[int]:
    with brokers.valkey() as port:
        yield port


@pytest.fixture(scope="session")
def nats_port() -> Iterator[int]:
    with brokers.nats() as port:
        yield port


@pytest.fixture(scope="session")
def rabbitmq_port() -> Iterator[int]:
    if not brokers.has_rabbitmq():
        if os.environ.get("TESTS_NEED_RABBITMQ"):
            pytest.fail("RabbitMQ is not installed, and these tests have to run: apt-get install rabbitmq-server")
        pytest.skip("RabbitMQ is not installed: apt-get install rabbitmq-server")
    with brokers.rabbitmq() as port:
        yield port


@pytest.fixture(scope="session")
def chromium() -> str:
    """The executable of a browser. Playwright's own is no package."""
    if not Path(CHROMIUM).exists():
        if os.environ.get("TESTS_NEED_CHROMIUM"):
            pytest.fail("Chromium is not installed, and these tests have to run: apt-get install chromium")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    return CHROMIUM


@pytest.fixture(scope="session")
def with_prometheus() -> None:
    """Prometheus and promtool are there."""
    if not brokers.has_prometheus():
        if os.environ.get("TESTS_NEED_PROMETHEUS"):
            pytest.fail("Prometheus is not installed, and these tests have to run: apt-get install prometheus")
        pytest.skip("Prometheus is not installed: apt-get install prometheus")


@pytest.fixture(scope="session")
def kafka_address() -> Iterator[str]:
    with brokers.kafka_process() as address:
        yield address


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    with brokers.aws() as url:
        yield url
