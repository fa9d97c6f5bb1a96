"""What an import loads and does. Each test runs a process of its own."""

from __future__ import annotations

import importlib.util
import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import synthetic
from tests.support.servers import environment

FRAMEWORKS = ["jwt", "opentelemetry.sdk", "requests", "starlette", "tomli", "tomllib"]

LOADED = "import json, sys\n{}\nprint(json.dumps(sorted(sys.modules)))"

# Everything that a module could leave behind in the process.
EFFECTS = """
import atexit, json, logging, os, signal, sys, threading
import opentelemetry.context, opentelemetry.baggage, wrapt

def state():
    return {
        "threads": threading.active_count(),
        "atexit": atexit._ncallbacks(),
        "finders": len(sys.meta_path),
        "handlers": len(logging.getLogger().handlers) + len(logging.getLogger("synthetic").handlers),
        "levels": [logging.getLogger().level, logging.getLogger("synthetic").level],
        "signals": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
        "hooks": [sys.excepthook is sys.__excepthook__, str(sys.gettrace()), str(threading.excepthook)],
        "environment": dict(os.environ),
        "folder": sorted(os.listdir()),
        "path": sys.path,
    }

before = state()
import synthetic, synthetic.asgi, synthetic.wsgi, synthetic.errors, synthetic.ledger, synthetic.telemetry
after = state()
print(json.dumps({name: [before[name], after[name]] for name in before if before[name] != after[name]}))
"""


def run(code: str, folder: Path, *options: str) -> Any:
    # OpenTelemetry's instrumentors import pkg_resources before 0.49b0.
    warnings = ["-W", "error", "-W", "ignore:pkg_resources is deprecated:DeprecationWarning"]
    command = [sys.executable, *warnings, *options, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment(), check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def modules() -> list[str]:
    found = [f"synthetic.{module.name}" for module in pkgutil.iter_modules(synthetic.__path__)]
    return ["synthetic", *found, "synthetic_requests", "synthetic_starlette"]


def test_importing_loads_no_framework_no_sdk_and_no_jwt(tmp_path: Path) -> None:
    loaded = run(LOADED.format("import synthetic"), tmp_path)
    assert [name for name in FRAMEWORKS if name in loaded] == []


@pytest.mark.parametrize("module", ["synthetic.asgi", "synthetic.wsgi", "synthetic.telemetry", "synthetic.ledger"])
def test_the_public_modules_load_no_framework(tmp_path: Path, module: str) -> None:
    loaded = run(LOADED.format(f"import {module}"), tmp_path)
    assert [name for name in FRAMEWORKS if name in loaded] == []


def test_the_core_loads_no_integration(tmp_path: Path) -> None:
    loaded = run(LOADED.format("import synthetic"), tmp_path)
    assert [name for name in loaded if name.startswith("synthetic_")] == []


def test_real_work_loads_no_framework(tmp_path: Path) -> None:
    code = "import synthetic\nf = synthetic.guard('payment')(lambda: 1)\nassert f() == 1\nsynthetic.headers()"
    loaded = run(LOADED.format(code), tmp_path)
    assert [name for name in FRAMEWORKS if name in loaded] == []


def test_importing_has_no_side_effects(tmp_path: Path) -> None:
    assert run(EFFECTS, tmp_path) == {}


def test_importing_reads_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "synthetic.toml").write_text("this is no TOML")
    run(LOADED.format("import synthetic, synthetic.asgi, synthetic.wsgi"), tmp_path)


@pytest.mark.parametrize("module", modules())
def test_each_module_can_be_imported_alone(tmp_path: Path, module: str) -> None:
    assert importlib.util.find_spec(module) is not None
    assert module in run(LOADED.format(f"import {module}"), tmp_path)
