"""Consumers that are killed while they handle a message."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.support.servers import environment


def first_line_of(program: str, *arguments: object, keys: dict[str, Any]) -> str:
    """Start a program, and kill it as soon as it has printed a line; returns the line."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    variables = environment() | {"SYNTHETIC_KEYS": json.dumps(keys)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.kill()
    return line
