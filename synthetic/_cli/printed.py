"""What the commands print. Much of it was written by others, so nothing is printed raw."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

__all__ = ["Parser", "complain", "logged", "named", "printable", "say", "unlogged"]

_log = logging.getLogger("synthetic")


def printable(text: str) -> str:
    """Return ``text`` in one line, with an escape for each character that a terminal may not print as it is."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def named(value: object) -> str:
    """Return a name as it is, and anything else quoted, so that it cannot look like words of the command."""
    plain = isinstance(value, str) and value.isascii() and value.replace("+", "").replace("-", "").isalnum()
    return str(value) if plain else repr(value)


def say(text: str) -> None:
    """Print one line."""
    print(printable(text))


def complain(text: str) -> None:
    """Print one line to standard error."""
    print(f"synthetic-traffic: {printable(text)}", file=sys.stderr)


@contextmanager
def logged() -> Generator[None, None, None]:
    """Print the warnings and errors that the library logs in a ``with`` block to standard error."""
    handler, propagates = _Complaints(logging.WARNING), _log.propagate
    _log.addHandler(handler)
    _log.propagate = False
    try:
        yield
    finally:
        _log.propagate = propagates
        _log.removeHandler(handler)


@contextmanager
def unlogged() -> Generator[None, None, None]:
    """Let the library log nothing in a ``with`` block: the command prints what it finds."""
    before, _log.disabled = _log.disabled, True
    try:
        yield
    finally:
        _log.disabled = before


class _Complaints(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.name == _log.name:  # not of synthetic.advice
            complain(record.getMessage())


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors quote nothing raw."""

    def error(self, message: str) -> NoReturn:
        """End the program with ``message``."""
        super().error(printable(message))
