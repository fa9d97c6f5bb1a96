"""Servers end with the run of the tests that started them, even where that is killed: a process watches over both.

``reaped`` is for a ``Popen`` with ``start_new_session=True``: the process and all of its group.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_LOOKS = 0.5
"""Seconds between two looks whether the tests still run: a fork of theirs may hold their end of the pipe open."""

_reapers: dict[int, subprocess.Popen[bytes]] = {}
"""By process: a fork has its own, for the other one does not know of its end."""


@contextmanager
def reaped(group: int) -> Iterator[None]:
    """See that a process group ends, at the latest, with this process; after the block that is done already."""
    pipe = _reaper().stdin
    assert pipe is not None
    os.write(pipe.fileno(), b"+%d\n" % group)
    try:
        yield
    finally:
        os.write(pipe.fileno(), b"-%d\n" % group)


def _reaper() -> subprocess.Popen[bytes]:
    own = os.getpid()
    if own not in _reapers:
        # In a session of its own: what ends the tests from a terminal is not meant for it.
        _reapers[own] = reaper = subprocess.Popen(
            [sys.executable, "-ISE", __file__, str(own)], stdin=subprocess.PIPE, start_new_session=True
        )
        atexit.register(_end, own, reaper)
    return _reapers[own]


def _end(owner: int, reaper: subprocess.Popen[bytes]) -> None:
    if owner == os.getpid():
        assert reaper.stdin is not None
        reaper.stdin.close()
        reaper.wait()


def main(owner: int) -> None:
    """Note groups until ``owner`` has ended, and kill those that are left."""
    groups: set[int] = set()
    rest = b""
    while True:
        has_ended = os.getppid() != owner
        if select.select([0], [], [], 0 if has_ended else _LOOKS)[0]:
            said = os.read(0, 4096)
            if not said:
                break
            *lines, rest = (rest + said).split(b"\n")
            for line in lines:
                (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
        elif has_ended:
            break
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
