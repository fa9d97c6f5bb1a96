"""What both programs do first: keys and settings for this run, and an end that leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from string import Template

import keys
import synthetic
from services import Service, ServiceFailed

HERE = Path(__file__).parent
RIDES = HERE.parent / "rides"
COMMAND = Path(sys.executable).with_name("synthetic-traffic")


def main(name: str, run: Callable[[Path], int]) -> int:
    """Return the exit code of ``run``, which gets a folder that is deleted at the end."""
    for signal_name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, signal_name):
            signal.signal(getattr(signal, signal_name), lambda number, _: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix=f"{name}-", ignore_cleanup_errors=True) as folder:
            prepare(Path(folder))
            return run(Path(folder))
    except (ServiceFailed, synthetic.errors.ConfigurationError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130


def prepare(folder: Path) -> None:
    """Fill ``folder`` with keys and the settings of the services. Only the simulated users can sign."""
    services = folder / "services"
    services.mkdir()
    key = keys.new_key("demo-1")
    keys.write(folder / "private.jwks", key)
    keys.write(services / "public.jwks", keys.public_half(key))
    for file in ("synthetic.toml", "policy.toml"):
        shutil.copy(RIDES / file, services)
    for name in [name for name in os.environ if name.startswith(("SYNTHETIC_", "LOCUST_", "OTEL_"))]:
        del os.environ[name]
    os.environ["SYNTHETIC_CONFIG"] = str(services / "synthetic.toml")
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1"


def target(folder: Path, file: Path, **addresses: str) -> Path:
    """Write the settings of the simulated users, with the addresses of this run, and return where they are."""
    settings = folder / file.name
    settings.write_text(Template(file.read_text(encoding="utf-8")).substitute(addresses), encoding="utf-8")
    return settings


def start_run(name: str, folder: Path, actors: Path, settings: Path, *options: str) -> Service:
    """Start ``synthetic-traffic run`` as a process."""
    command = [str(HERE / "attached.py"), str(COMMAND), "run", str(actors), *options]
    return Service(name, command, folder, {"SYNTHETIC_CONFIG": str(settings)})
