"""Runs the steps of one page, in order, in the current folder: python run_page.py STEPS.json

Each page runs in its own process, so that it starts as a reader does: nothing is imported or configured.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any


def main(file: str) -> None:
    # Pickle looks here for the definitions of an example.
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    sys.path[0] = os.getcwd()
    for step in json.loads(Path(file).read_text(encoding="utf-8")):
        _STEPS[step["do"]](step, module)


def _write(step: dict[str, Any], _module: types.ModuleType) -> None:
    file = Path(step["name"])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(step["text"], encoding="utf-8")


def _execute(step: dict[str, Any], module: types.ModuleType) -> None:
    # Leading empty lines make a traceback show the line of the page.
    source = "\n" * (step["line"] - 1) + step["text"]
    exec(compile(source, step["page"], "exec"), vars(module))


def _command(step: dict[str, Any], _module: types.ModuleType) -> None:
    done = subprocess.run(
        ["sh", "-c", step["command"]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
    )
    where = f"{step['place']}: $ {step['command']}\n{done.stdout}"
    assert done.returncode == 0, f"{where}exit code {done.returncode}"
    assert fits(step["shown"], done.stdout), f"{where}--- but the page shows:\n{step['shown']}"
    importlib.invalidate_caches()  # the command may have installed something


def _export(step: dict[str, Any], _module: types.ModuleType) -> None:
    script = f"{step['command']}; env -0"
    output = subprocess.run(["sh", "-ec", script], stdout=subprocess.PIPE, check=True, timeout=300).stdout
    os.environ.update(item.split("=", 1) for item in output.decode().split("\0") if item)


def fits(shown: str, output: str) -> bool:
    """Return whether the output matches the page. ``...`` stands for any text, and white space does not count."""
    if not shown.strip():
        return True
    parts = (r"\s+".join(map(re.escape, part.split())) for part in shown.split("..."))
    return re.fullmatch(r"\s*" + r"[\s\S]*?".join(r"\s*" + part + r"\s*" for part in parts), output) is not None


_STEPS = {"write": _write, "execute": _execute, "command": _command, "export": _export}

if __name__ == "__main__":
    main(sys.argv[1])
