"""Import an application by its name, ``module:app``, as uvicorn and gunicorn do."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from contextlib import redirect_stdout
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

__all__ = ["is_of_the_application", "load", "place"]


def load(name: str) -> Any:
    """Return the application that ``module:app`` or ``module:factory()`` names. The current folder is searched first.

    Raises ValueError if it cannot be imported. The message names the file and the line.
    """
    module_name, _, path = name.partition(":")
    path, is_factory = (path[:-2], True) if path.endswith("()") else (path, False)
    if not module_name or not path:
        raise ValueError(f"--app {name}: name the application as module:app, for example shop.main:app")
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        with redirect_stdout(sys.stderr):  # the report alone goes to standard output
            app = _attribute(import_module(module_name), path)
            return app() if is_factory else app
    except _NoSuchName as error:
        raise ValueError(f"--app {name}: {error}") from None
    except (Exception, SystemExit) as error:  # the application's own code may raise anything
        raise ValueError(f"--app {name}: {_why(error, module_name)}") from None


class _NoSuchName(Exception):
    """The module has no such application."""


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    for step in path.split("."):
        if not hasattr(found, step):
            close = get_close_matches(step, dir(found), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise _NoSuchName(f"the module {module.__name__!r} has no {path!r}{hint}")
        found = getattr(found, step)
    return found


def _why(error: BaseException, module_name: str) -> str:
    said = " ".join(str(error).split())
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"cannot be imported: {place(error.filename, error.lineno)}: SyntaxError: {error.msg}"
    steps = [step for step in traceback.extract_tb(error.__traceback__) if is_of_the_application(step.filename)]
    if steps:
        return f"cannot be imported: {place(steps[-1].filename, steps[-1].lineno)}: {what}"
    if isinstance(error, ModuleNotFoundError) and error.name in _parents(module_name):
        return f"there is no module {error.name!r} in {os.getcwd()}, and none is installed"
    return f"cannot be imported: {what}"


def _parents(module_name: str) -> list[str]:
    parts = module_name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def is_of_the_application(file: str) -> bool:
    """Whether a file is neither Python's, nor this library's, nor installed."""
    if file.startswith(("<", *_OTHERS)):
        return False
    return not {"site-packages", "dist-packages"} & {*Path(file).parts}


_OTHERS: Final = (str(Path(__file__).parents[1]) + os.sep, str(sysconfig.get_path("stdlib")) + os.sep)


def place(file: str, line: int | None) -> str:
    """Return ``file:line``, relative to the current folder for a file below it."""
    try:
        relative = os.path.relpath(file)
    except ValueError:  # on another drive
        relative = file
    shown = file if relative.startswith(os.pardir) else relative
    return shown if line is None else f"{shown}:{line}"
