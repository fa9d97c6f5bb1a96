"""Starts a program of docs/examples, waits for its end, and finds the processes that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PAGE = EXAMPLES.parent / "demo.md"

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the services in /proc (Linux)")


def need(*modules: str) -> None:
    """Skip the tests of a module unless these are installed. Nothing is imported: Locust would patch the process."""
    for name in modules:
        if find_spec(name) is None:
            pytest.skip(f"the demo needs {name}", allow_module_level=True)


def start(program: Path, tmp_path: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONIOENCODING": "utf-8", "COLUMNS": "100", **variables}
    return subprocess.Popen(
        [sys.executable, str(program), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        # A test run in the background ignores the signal, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )


def finished(demo: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return the exit code, the output and the errors. A demo that hangs fails the test."""
    try:
        printed, errors = demo.communicate(timeout=300)
    finally:
        demo.kill()
    return demo.returncode, printed, errors


def wait_for(demo: subprocess.Popen[str], text: str) -> None:
    """Read what the demo prints until a line has this text."""
    assert demo.stdout is not None
    for line in demo.stdout:
        if text in line:
            return
    raise AssertionError(f"no {text!r}: {finished(demo)}")


def children_of(parent: int) -> Iterator[tuple[int, str]]:
    """Return the process id and the command of each process that this one has started, and that those have."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_child = int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent
            command = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has just ended
            continue
        if is_child:
            yield int(folder.name), command
            yield from children_of(int(folder.name))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
