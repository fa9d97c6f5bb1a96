"""The broker and the integration that the page *Write your own integration* builds, installed with pip."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic.errors import MessageRefused
from tests.contract.messages import Broker, MessageContract, Seen, eventually, in_a_bare_thread
from tests.docs.pages import PROJECT, blocks_of
from tests.support.installed import finding, installing
from tests.support.servers import environment

HERE = Path(__file__).parent
PAGE = PROJECT / "docs" / "integrations" / "your_own.md"
PRODUCT, INTEGRATION = HERE / "tiny-broker", HERE / "synthetic-tiny-broker"


def test_the_page_shows_the_files_that_are_installed_here() -> None:
    shown = {block.file: block.body for block in blocks_of(PAGE) if block.file and "/" in block.file}
    files = [path for folder in (PRODUCT, INTEGRATION) for kind in ("py", "toml") for path in folder.rglob(f"*.{kind}")]
    assert shown == {path.relative_to(HERE).as_posix(): path.read_text(encoding="utf-8") for path in files}


# In a process of its own


def install(folder: Path, *sources: Path) -> Path:
    subprocess.run(installing(folder, *sources), check=True)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that both are installed in."""
    return install(tmp_path_factory.mktemp("site"), PRODUCT, INTEGRATION)


def run(site: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=finding(site, environment() | variables), capture_output=True, text=True)


def python(site: Path, script: str) -> str:
    done = run(site, sys.executable, "-W", "error", "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout


ALL_ALONG = """
import json, sys
import synthetic
from synthetic.ledger import recorded
from synthetic.testing import keys

synthetic.configure(keys=keys(), environment="test")
found = "tiny-broker" in synthetic.instrument()
assert "tiny_broker" not in sys.modules

from tiny_broker import Broker

stored, handled = [], []

@synthetic.guard("data-mutation")
def store(order):
    stored.append(order)

def on_order(message):
    handled.append((message.body, synthetic.is_synthetic(), "baggage" in message.headers))
    store(message.body)

broker = Broker()
broker.subscribe("orders", on_order)

broker.publish("orders", "real")
with synthetic.simulated(run="rush-hour"):
    broker.publish("orders", "simulated")
broker.publish("orders", "refused", {"baggage": "synthetic-traffic=true"})
broker.join()

asked = []
with synthetic.configured(ready=lambda: asked.append(1) or len(asked) > 1), synthetic.simulated(run="rush-hour"):
    broker.publish("orders", "later")
    broker.join()

left = "tiny-broker" in synthetic.uninstrument()
synthetic.instrument("logging")  # or simulated work could not begin any more
with synthetic.simulated(run="rush-hour"):
    broker.publish("orders", "undone")
broker.join()
dead = [(message.body, error.reason) for message, error in broker.dead_letters]
print(json.dumps([found, stored, handled, dead, len(asked), left, hasattr(Broker.publish, "__wrapped__")]))
"""


def test_it_is_found_by_its_entry_point_and_carries_the_marker_until_it_is_undone(site: Path) -> None:
    found, stored, handled, dead, asked, left, is_patched = json.loads(python(site, ALL_ALONG))
    assert found
    assert stored == ["real", "undone"]
    assert handled == [
        ["real", False, False],
        ["simulated", True, True],
        ["later", True, True],
        ["undone", False, False],
    ]
    assert dead == [["refused", "malformed"]]
    assert asked == 2
    assert not left
    assert not is_patched


def test_without_the_library_it_is_left_out_and_by_name_it_is_an_error(tmp_path: Path) -> None:
    site = install(tmp_path / "site", INTEGRATION)
    said = python(
        site,
        "import synthetic\n"
        "assert 'tiny-broker' not in synthetic.instrument()\n"
        "try:\n    synthetic.instrument('tiny-broker')\n"
        "except synthetic.errors.ConfigurationError as error:\n    print(error)",
    )
    assert said.startswith("'tiny-broker' cannot be instrumented: No module named 'tiny_broker'. ")


def test_doctor_names_it_and_where_it_comes_from(site: Path, keys: dict[str, Any]) -> None:
    doctor = str(Path(sys.executable).with_name("synthetic-traffic"))
    done = run(site, doctor, "doctor", "--json", SYNTHETIC_KEYS=json.dumps(keys))
    [found] = [finding for finding in json.loads(done.stdout) if finding["subject"] == "tiny-broker"]
    assert (found["section"], found["level"]) == ("integrations", "ok")
    assert found["text"] == 'synthetic.instrument("tiny-broker"), from synthetic-tiny-broker 1.0'


# In this one


@pytest.fixture(scope="module")
def importable(site: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        yield
    for name in [name for name in sys.modules if name.partition(".")[0].endswith("tiny_broker")]:
        del sys.modules[name]


@pytest.fixture
def instrumented(importable: None) -> Iterator[None]:
    synthetic.instrument("tiny-broker")
    yield
    synthetic.uninstrument("tiny-broker")


class Tiny:
    """The broker of the contract."""

    def __init__(self) -> None:
        from tiny_broker import Broker

        self.broker = Broker()
        self.broker.subscribe("rides", self._handle)
        self._seen: dict[str, Seen] = {}

    def _handle(self, message: Any) -> None:
        self._seen[message.body] = Seen.now(message.body, message.headers.get("baggage"))

    def send(self, name: str, baggage: str | None = None) -> None:
        self.broker.publish("rides", name, None if baggage is None else {"baggage": baggage})

    def send_raw(self, name: str, baggage: list[str]) -> None:
        # Where nothing is decided, the headers stay as they are.
        in_a_bare_thread(self.broker.publish, "rides", name, {"baggage": ",".join(baggage)} if baggage else None)

    def handled(self, name: str) -> Seen:
        seen: Seen = eventually(lambda: self._seen.get(name))
        return seen

    def refused(self, name: str) -> str:
        self.broker.join()
        [error] = [error for message, error in self.broker.dead_letters if message.body == name]
        assert isinstance(error, MessageRefused)
        assert name not in self._seen
        return error.reason.value


class TestOwn(MessageContract):
    our_part = "synthetic_tiny_broker._out.outgoing"

    @pytest.fixture
    def broker(self, instrumented: None, _configured: None) -> Iterator[Broker]:
        tiny = Tiny()
        yield tiny
        tiny.broker.join()


def test_the_worker_has_no_verdict_of_the_work_that_started_it(instrumented: None, keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    synthetic.instrument("concurrency")  # which carries the verdict into every thread that is not a worker
    try:
        tiny = Tiny()
        with synthetic.simulated(run="rush-hour"):
            tiny.send("first")
        tiny.broker.join()
        synthetic.uninstrument("tiny-broker")  # so that the callback runs under what the worker has
        tiny.send("second")
        assert tiny.handled("first").simulated
        second = tiny.handled("second")
        assert (second.simulated, second.explicit) == (False, False)
    finally:
        synthetic.uninstrument("concurrency")


def test_the_callers_headers_are_not_changed(instrumented: None, keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    tiny, headers = Tiny(), {"priority": "1"}
    tiny.broker.subscribe("headers", lambda message: received.append(message.headers))
    received: list[Any] = []
    with synthetic.simulated(run="rush-hour"):
        tiny.broker.publish("headers", "simulated", headers)
    tiny.broker.publish("headers", "real", headers)
    tiny.broker.join()
    assert headers == {"priority": "1"}
    assert received[0].keys() == {"priority", "baggage"}
    assert received[1] is headers
