"""``opentelemetry-instrument python app.py``: the real command, in separate processes."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from tests.support.keys import entry, mint, shared_key
from tests.support.servers import environment

pytest.importorskip("opentelemetry.instrumentation.auto_instrumentation", reason="needs opentelemetry-instrumentation")

COMMAND = Path(sysconfig.get_path("scripts"), "opentelemetry-instrument")
OPTIONS = ["--traces_exporter", "none", "--metrics_exporter", "none", "--logs_exporter", "none"]

APP = """
import json, sys
import synthetic
from opentelemetry import baggage, context, propagate

def seen(header):
    attached = context.attach(propagate.extract({"baggage": header}))
    try:
        return "simulated" if synthetic.is_synthetic() else "real"
    except synthetic.UnverifiedMarker as error:
        return error.reason.value
    finally:
        context.detach(attached)

print(json.dumps({"instrumented": synthetic.instrument("requests"), "seen": [seen(header) for header in sys.argv[1:]]}))
"""


def run(*command: str, **variables: str) -> str:
    done = subprocess.run(
        [*command], env={**environment(), **variables}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


@pytest.fixture
def headers(keys: dict[str, Any]) -> list[str]:
    return [f"user=7,{entry(mint(keys))}", entry(mint(shared_key())), "user=7", ""]


SEEN = ["simulated", "bad-signature", "real", "real"]


def test_the_command_instruments_everything_and_takes_settings_as_options(
    keys: dict[str, Any], headers: list[str]
) -> None:
    options = [*OPTIONS, "--synthetic_keys", json.dumps(keys)]
    printed = json.loads(run(str(COMMAND), *options, sys.executable, "-c", APP, *headers))
    assert "requests" in printed["instrumented"]
    assert printed["seen"] == SEEN


@pytest.mark.parametrize("order", ["tracecontext,baggage,synthetic", "baggage, synthetic"])
def test_naming_the_propagator_is_enough_to_read_markers(keys: dict[str, Any], headers: list[str], order: str) -> None:
    variables = {"SYNTHETIC_KEYS": json.dumps(keys), "OTEL_PROPAGATORS": order}
    assert json.loads(run(sys.executable, "-c", APP, *headers, **variables))["seen"] == SEEN


def test_naming_the_propagator_works_together_with_the_command(keys: dict[str, Any], headers: list[str]) -> None:
    variables = {"SYNTHETIC_KEYS": json.dumps(keys), "OTEL_PROPAGATORS": "tracecontext,baggage,synthetic"}
    assert json.loads(run(str(COMMAND), *OPTIONS, sys.executable, "-c", APP, *headers, **variables))["seen"] == SEEN


def test_the_instrumentor_can_be_disabled(keys: dict[str, Any]) -> None:
    app = "from synthetic._config.instrumented import INSTRUMENTED as on; import synthetic; print(sorted(on))"
    left_out = run(str(COMMAND), *OPTIONS, sys.executable, "-c", app, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="synthetic")
    assert left_out.strip() == "[]"
    assert "requests" in run(str(COMMAND), *OPTIONS, sys.executable, "-c", app)


def test_a_wrong_setting_stops_neither_the_program_nor_other_instrumentors() -> None:
    app = "import sys; print('opentelemetry.instrumentation.requests' in sys.modules)"
    done = subprocess.run(
        [str(COMMAND), *OPTIONS, sys.executable, "-c", app],
        env={**environment(), "SYNTHETIC_LIFETIME": "long"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.strip() == "True", done.stderr


def test_uninstrument_undoes_the_propagator_and_the_patches() -> None:
    script = """
import requests
from opentelemetry import propagate
from synthetic._instrument.otel import SyntheticTrafficInstrumentor
before = propagate.get_global_textmap(), requests.Session.get_adapter
SyntheticTrafficInstrumentor().instrument()
assert propagate.get_global_textmap() is not before[0] and requests.Session.get_adapter is not before[1]
SyntheticTrafficInstrumentor().uninstrument()
assert (propagate.get_global_textmap(), requests.Session.get_adapter) == before
print("undone")
"""
    assert run(sys.executable, "-c", script).strip() == "undone"


def test_the_package_does_not_replace_the_users_opentelemetry_distribution() -> None:
    for group in ("opentelemetry_distro", "opentelemetry_configurator", "opentelemetry_pre_instrument"):
        assert not [point for point in entry_points(group=group) if point.value.startswith("synthetic")]
