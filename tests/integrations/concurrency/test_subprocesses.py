"""Subprocesses: the environment takes the marker along, and the process that starts with it admits it."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from opentelemetry import baggage, context
from opentelemetry.baggage.propagation import W3CBaggagePropagator

import synthetic
from synthetic import UnverifiedMarker, real, simulated
from synthetic_concurrency import environment as handed_on
from tests.integrations.concurrency.marks import FORKS, NEEDS_SENTRY
from tests.products.concurrency import RUN, carried
from tests.support.clients import brought_by_opentelemetry, run_script
from tests.support.keys import entry, mint, shared_key

pytestmark = FORKS


INIT = subprocess.Popen.__init__
TELL = [sys.executable, "-S", "-c", "import os, sys; sys.stdout.write(repr(os.environb.get(b'BAGGAGE')))"]
"""A program that says what ``BAGGAGE`` it was given."""


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any], configuration: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAGGAGE", raising=False)
    synthetic.configure(keys=keys)


@pytest.fixture
def instrumented(configured: None) -> Iterator[None]:
    with carried():
        yield


def by_run(env: Any = None) -> Any:
    return subprocess.run(TELL, env=env, capture_output=True, check=True).stdout


def by_check_output(env: Any = None) -> Any:
    return subprocess.check_output(TELL, env=env)


def by_position(env: Any = None) -> Any:
    pipe = subprocess.PIPE
    with subprocess.Popen(TELL, -1, None, None, pipe, None, None, True, False, None, env) as process:
        return process.communicate()[0]


async def _exec(env: Any) -> Any:
    process = await asyncio.create_subprocess_exec(*TELL, env=env, stdout=subprocess.PIPE)
    return (await process.communicate())[0]


async def _shell(env: Any) -> Any:
    process = await asyncio.create_subprocess_shell('printf "b\'%s\'" "$BAGGAGE"', env=env, stdout=subprocess.PIPE)
    out = (await process.communicate())[0]
    return b"None" if out == b"b''" else out


def by_asyncio(env: Any = None) -> Any:
    return asyncio.run(_exec(env))


def by_asyncio_shell(env: Any = None) -> Any:
    return asyncio.run(_shell(env))


def by_uvloop(env: Any = None) -> Any:
    return _with_uvloop(_exec(env))


def by_uvloop_shell(env: Any = None) -> Any:
    return _with_uvloop(_shell(env))


def _with_uvloop(main: Any) -> Any:
    loop = pytest.importorskip("uvloop").new_event_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


WAYS = [by_run, by_check_output, by_position, by_asyncio, by_asyncio_shell, by_uvloop, by_uvloop_shell]
Way = Callable[..., Any]


def given(way: Way, env: Any = None) -> str | None:
    """The ``BAGGAGE`` that the child was given."""
    value = eval(way(env))
    return None if value is None else value.decode("latin-1")


# What goes along


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("instrumented")
def test_simulated_work_passes_its_token_on_and_real_work_passes_none(way: Way) -> None:
    assert given(way) is None
    with simulated(run=RUN):
        assert given(way) == synthetic.headers()["baggage"]
        assert given(way, {"PATH": os.environ["PATH"]}) == synthetic.headers()["baggage"]
        with real():
            assert given(way) is None
    assert given(way) is None


@pytest.mark.parametrize("way", [by_run, by_position, by_uvloop])
@pytest.mark.usefixtures("instrumented")
def test_other_entries_are_kept_after_the_marker(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = "vendor=a%20b;p=1, user=\xfc"
    monkeypatch.setenv("BAGGAGE", os.fsdecode(theirs.encode("latin-1")))
    assert given(way) == theirs
    with simulated(run=RUN):
        ours = synthetic.headers()["baggage"]
        assert given(way) == f"{ours},{theirs}"
        assert given(way, {"BAGGAGE": "user=8"}) == f"{ours},user=8"
        assert given(way, dict(os.environ)) == f"{ours},{theirs}"
    with real():
        assert given(way) == theirs


@pytest.mark.parametrize("env", [{b"BAGGAGE": b"user=7"}, {b"BAGGAGE": "user=7"}, {"BAGGAGE": b"user=7"}])
@pytest.mark.usefixtures("instrumented")
def test_names_and_values_may_be_bytes(env: Any) -> None:
    assert given(by_run, env) == "user=7"
    with simulated(run=RUN):
        assert given(by_run, env) == f"{synthetic.headers()['baggage']},user=7"


@pytest.mark.usefixtures("instrumented")
def test_the_environment_itself_may_be_given_in_bytes() -> None:
    with simulated(run=RUN):
        assert given(by_run, os.environb) == synthetic.headers()["baggage"]
        assert given(by_run, os.environ) == synthetic.headers()["baggage"]


@pytest.mark.usefixtures("instrumented")
def test_a_stale_marker_is_replaced_by_simulated_work_and_removed_by_real_work() -> None:
    with simulated(run="yesterday"):
        stale = f"user=7,{synthetic.headers()['baggage']}"
    with simulated(run="today"):
        assert given(by_run, {"BAGGAGE": stale}) == f"{synthetic.headers()['baggage']},user=7"
    with real():
        assert given(by_run, {"BAGGAGE": stale}) == "user=7"
    assert given(by_run, {"BAGGAGE": stale}) == stale  # nothing was decided: it is the caller's own word


@pytest.mark.usefixtures("instrumented")
def test_neither_the_callers_mapping_nor_the_environment_of_this_process_changes() -> None:
    env = {"BAGGAGE": "user=7", "OTHER": "1"}
    before = dict(os.environ)
    with simulated(run=RUN):
        given(by_run, env)
        given(by_run)
    assert env == {"BAGGAGE": "user=7", "OTHER": "1"}
    assert dict(os.environ) == before


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("instrumented")
def test_unverified_work_starts_no_subprocess(way: Way) -> None:
    with brought_by_opentelemetry(mint(shared_key())), pytest.raises(UnverifiedMarker):
        way()


@pytest.mark.usefixtures("instrumented")
def test_the_child_gets_the_marker_once_beside_opentelemetrys_environment_carrier() -> None:
    carrier = pytest.importorskip("opentelemetry.propagators._envcarrier")
    propagator = W3CBaggagePropagator()
    with simulated(run=RUN):
        env = dict(os.environ)
        attached = context.attach(baggage.set_baggage("user", "7"))
        try:
            propagator.inject(env, setter=carrier.EnvironmentSetter())
        finally:
            context.detach(attached)
        assert given(by_run, env) == f"{synthetic.headers()['baggage']},user=7"
        token = synthetic.headers()["baggage"].partition("=")[2]
    found = propagator.extract({"BAGGAGE": entry(token)}, getter=carrier.EnvironmentGetter())
    assert baggage.get_baggage("synthetic-traffic", found) == token


def test_handed_on_passes_the_environment_without_patches() -> None:
    assert handed_on() == dict(os.environ)
    with simulated(run=RUN):
        env = handed_on({"BAGGAGE": "user=7"})
        assert env == {"BAGGAGE": f"{synthetic.headers()['baggage']},user=7"}
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", ONLY_IF_MARKED], handed_on())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with real():
        assert handed_on(env) == {"BAGGAGE": "user=7"}


ONLY_IF_MARKED = "import os, sys; sys.exit('synthetic-traffic=' not in os.environ['BAGGAGE'])"


# What the subprocess does otherwise


@pytest.mark.usefixtures("instrumented")
def test_pipes_exit_codes_timeouts_and_errors_are_those_of_the_standard_library() -> None:
    with simulated(run=RUN):
        done = subprocess.run(["cat"], input="hello", text=True, capture_output=True)
        assert (done.stdout, done.returncode) == ("hello", 0)
        with pytest.raises(subprocess.CalledProcessError):
            subprocess.run(["false"], check=True)
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(["sleep", "30"], timeout=0.01)
        with pytest.raises(FileNotFoundError):
            subprocess.run(["no-such-program"])
        with pytest.raises(TypeError):
            subprocess.Popen()  # type: ignore[call-overload]
        assert subprocess.getoutput("echo $HOME") == os.environ["HOME"]


@pytest.mark.usefixtures("instrumented")
def test_signatures_and_subclasses_are_not_changed() -> None:
    class Named(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.name = name

    assert inspect.signature(subprocess.Popen.__init__) == inspect.signature(INIT)
    with simulated(run=RUN), Named(TELL, stdout=subprocess.PIPE, name="teller") as process:
        assert process.name == "teller"
        assert b"synthetic-traffic=" in process.communicate()[0]


def test_uninstrument_leaves_nothing_behind() -> None:
    uvloop = pytest.importorskip("uvloop")
    with carried():
        assert subprocess.Popen.__init__ is not INIT
        assert "subprocess_exec" in vars(uvloop.Loop)
    assert subprocess.Popen.__init__ is INIT
    assert not {"subprocess_exec", "subprocess_shell"} & vars(uvloop.Loop).keys()
    with simulated(run=RUN):
        assert given(by_run) is None
        assert given(by_uvloop) is None


EVENTLET = """
import eventlet; eventlet.monkey_patch()
import subprocess, sys, synthetic

synthetic.instrument("concurrency")
tell = [sys.executable, "-S", "-c", "import os; print(os.environ.get('BAGGAGE'))"]

def popen():
    with subprocess.Popen(tell, stdout=subprocess.PIPE, text=True) as process:
        return process.communicate()[0]

ways = {
    "Popen": popen,
    "run": lambda: subprocess.run(tell, capture_output=True, text=True).stdout,
    "check_output": lambda: subprocess.check_output(tell, text=True),
}
for name, way in ways.items():
    for scope in (synthetic.simulated(run="rush-hour"), synthetic.real()):
        with scope:
            print(name, way().strip() == synthetic.headers().get("baggage", "None"))
"""


@pytest.mark.skipif(find_spec("eventlet") is None, reason="eventlet is not installed")
def test_every_function_passes_the_token_on_in_a_program_patched_by_eventlet(keys: dict[str, Any]) -> None:
    expected = [f"{way} True" for way in ("Popen", "run", "check_output") for _ in range(2)]
    assert run_script(EVENTLET, keys=keys).splitlines() == expected


SENTRY = """
import sys, subprocess, synthetic, sentry_sdk
from sentry_sdk.transport import Transport

class Nowhere(Transport):
    def capture_envelope(self, envelope):
        pass

if sys.argv[1] == "ours":
    synthetic.instrument("concurrency")
sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, transport=Nowhere)
synthetic.instrument("concurrency")
tell = [sys.executable, "-S", "-c", "import os; print(os.environ.get('BAGGAGE'), 'SUBPROCESS_BAGGAGE' in os.environ)"]
for scope in (synthetic.simulated(run="rush-hour"), synthetic.real()):
    with sentry_sdk.start_transaction(name="ride"), scope:
        printed = subprocess.check_output(tell, text=True).split()
        print(printed[0] == synthetic.headers().get("baggage", "None"), printed[1])
"""


@NEEDS_SENTRY
@pytest.mark.parametrize("first", ["ours", "sentry"])
def test_sentrys_variables_are_kept_in_either_order(keys: dict[str, Any], first: str) -> None:
    assert run_script(SENTRY, first, keys=keys) == "True True\nTrue True\n"
