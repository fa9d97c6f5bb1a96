"""Modules of somebody else, to be guarded: each test gets its own on ``sys.path``."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from synthetic import simulated

_numbers = itertools.count()

VENDOR = '''
calls = []

def send(event):
    """Send an event."""
    calls.append(event)
    return event

async def send_later(event):
    calls.append(event)
    return event

class Base:
    def capture(self, event):
        calls.append(event)
        return event

class Client(Base):
    name = "client"

    def own(self, event):
        calls.append(event)
        return event

    @classmethod
    def of_class(cls, event):
        calls.append(event)
        return cls.name, event

    @staticmethod
    def static(event):
        calls.append(event)
        return event

    class Nested:
        def deep(self, event):
            calls.append(event)
            return event
'''


class Vendor:
    """Modules of their own names on ``sys.path``, for this test alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"vendor_{next(_numbers)}"

    def write(self, source: str = VENDOR, *, path: str = "") -> str:
        file = self.folder / (path or f"{self.name}.py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        importlib.invalidate_caches()
        return self.name

    def imported(self, name: str | None = None) -> Any:
        return importlib.import_module(name or self.name)


@contextmanager
def vendor_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """A vendor whose modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(folder))
    made = Vendor(folder)
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0].startswith(made.name)]:
        del sys.modules[name]


def sent(module: ModuleType | Any, call: Callable[[], Any]) -> tuple[list[Any], list[Any]]:
    """What was really sent by a real call, and by a simulated one."""
    module.calls.clear()
    call()
    real = list(module.calls)
    module.calls.clear()
    with simulated(run="rush-hour"):
        call()
    return real, list(module.calls)
