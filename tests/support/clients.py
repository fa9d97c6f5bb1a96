"""What tests of clients share: the hosts, what a request carried, and programs of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import pytest
from opentelemetry import baggage, context

from synthetic._model.throttled import ThrottledLog
from tests.support.recording_server import Recorded
from tests.support.servers import environment

OURS = "127.0.0.1"
"""The host that takes part."""

THEIRS = "localhost"
"""Another host to a client, though it is the same machine: nobody has declared it."""


class Client(Protocol):
    """A client of the library under test, made with its default headers."""

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        """Make a call that follows redirects; return its status."""
        ...


Connect = Callable[..., Client]


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    segment = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return claims


def token_of(request: Recorded) -> str:
    """The token that a request carried: once, first in one header line, and in no other line."""
    lines = request.values("baggage")
    members = [member for line in lines for member in line.split(",") if "synthetic-traffic" in member]
    assert len(members) == 1, lines
    carrying = [line for line in lines if members[0] in line]
    assert len(carrying) == 1, lines
    assert carrying[0].startswith(members[0]), lines
    name, _, token = members[0].partition("=")
    assert name == "synthetic-traffic", lines
    return token


def has_no_marker(request: Recorded) -> bool:
    """Whether nothing in a request hints at a marker."""
    return "synthetic-traffic" not in str(request.headers)


def break_part(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a function of ours, ``"module.function"``, fail with a RuntimeError, and the log tell of it at once."""

    def broken(*args: object, **kwargs: object) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(name, broken)
    monkeypatch.setattr("synthetic._egress.failure._failures", ThrottledLog())


@contextmanager
def brought_by_opentelemetry(token: str) -> Iterator[None]:
    """Work that has a marker in OpenTelemetry's baggage, and no verdict."""
    attached = context.attach(baggage.set_baggage("synthetic-traffic", token))
    try:
        yield
    finally:
        context.detach(attached)


def run_script(script: str, *arguments: str, keys: Mapping[str, Any] | None = None) -> str:
    """Run a program in a new interpreter, where warnings are errors; return what it prints."""
    given = {"SYNTHETIC_KEYS": json.dumps(keys), "SYNTHETIC_ENVIRONMENT": "default"} if keys is not None else {}
    variables = environment() | given
    # The oldest OpenTelemetry instrumentations use pkg_resources, which warns of itself.
    warnings = ["-W", "error", "-W", "ignore:pkg_resources is deprecated:DeprecationWarning"]
    done = subprocess.run(
        [sys.executable, *warnings, "-c", script, *arguments], env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
