"""``synthetic-traffic doctor``, in the environment of the tests and in spoiled ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points, requires
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import synthetic
from synthetic._cli.doctor import examine
from synthetic._instrument.coverage import BY_HAND, COVERED, MODULES_BY_HAND
from synthetic._instrument.instrument import GROUP
from synthetic.errors import ConfigurationError

COMMAND = Path(sys.executable).parent / "synthetic-traffic"
PROJECT = Path(__file__).parents[1]
HANDS_WORK_OVER = [
    "aiobotocore",
    "aiojobs",
    "aiomqtt",
    "amqpstorm",
    "anyio",
    "apache-airflow",
    "apscheduler",
    "azure-eventhub",
    "azure-servicebus",
    "azure-storage-queue",
    "billiard",
    "celery-batches",
    "channels",
    "cheroot",
    "dagster",
    "dask",
    "distributed",
    "django-q2",
    "django-tasks",
    "faststream",
    "google-cloud-pubsub",
    "huey",
    "joblib",
    "kafka-python",
    "kombu",
    "loky",
    "multiprocess",
    "paho-mqtt",
    "pathos",
    "pebble",
    "prefect",
    "procrastinate",
    "python-socketio",
    "pyzmq",
    "ray",
    "redis",
    "saq",
    "schedule",
    "serverless-wsgi",
    "taskiq",
    "temporalio",
    "valkey",
]


def run(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [COMMAND, "doctor", *options], capture_output=True, text=True, env={**os.environ, **variables}
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr == ""
    return done


def findings(**variables: str) -> dict[str, dict[str, Any]]:
    """Return what the doctor finds in this process, which has imported every product already."""
    with patch.dict(os.environ, variables):
        return {finding.subject: finding._asdict() for finding in examine()}


def findings_of_the_command(**variables: str) -> dict[str, dict[str, Any]]:
    return {finding["subject"]: finding for finding in json.loads(run("--json", **variables).stdout)}


@pytest.fixture
def variables(keys: dict[str, Any]) -> dict[str, str]:
    return {"SYNTHETIC_KEYS": json.dumps(keys)}


def test_doctor_finds_nothing_to_fix_when_keys_are_set(variables: dict[str, str]) -> None:
    done = run(**variables)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("nothing to fix\n")
    assert re.search(r'ok    requests [\d.]+: synthetic.instrument\("requests"\); tested 2.31 to [\d.]+', done.stdout)


def test_doctor_reports_missing_keys() -> None:
    done = run()
    assert done.returncode == 1
    assert "fix   keys: none are set" in done.stdout


def test_a_wrong_setting_is_a_finding_and_the_rest_is_still_reported() -> None:
    found = findings(SYNTHETIC_LIFETIME="long")
    assert "SYNTHETIC_LIFETIME" in found["configuration"]["text"]
    assert any(finding["section"] == "libraries" for finding in found.values())


def test_doctor_takes_the_same_settings_as_other_commands(keys: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "shared.jwks"
    file.write_text(json.dumps(keys))
    done = run("--keys", str(file), "--environment", "staging")
    assert done.returncode == 0, done.stdout
    assert "ok    environment: 'staging'" in done.stdout
    assert f"configuration: keys (from --keys): {tmp_path} is neither" in run("--keys", str(tmp_path)).stdout


@pytest.mark.parametrize(
    ("module", "integration"),
    [
        ("synthetic_requests", "requests"),
        ("synthetic_starlette", "starlette"),
        ("synthetic_concurrency", "concurrency"),
    ],
)
def test_an_integration_that_cannot_be_loaded_must_be_fixed(
    variables: dict[str, str], tmp_path: Path, module: str, integration: str
) -> None:
    (tmp_path / f"{module}.py").write_text("from requests import moved\n")
    finding = findings_of_the_command(**variables, PYTHONPATH=str(tmp_path))[integration]
    assert (finding["section"], finding["level"]) == ("integrations", "fix")
    assert "its integration cannot be loaded, so it carries no marker: ImportError: cannot import" in finding["text"]


@pytest.mark.parametrize(
    ("propagators", "level", "says"),
    [
        ("tracecontext", "fix", "add baggage"),
        ("none", "fix", "add baggage"),
        ("tracecontext,synthetic,baggage", "fix", "put synthetic after baggage"),
        ("tracecontext,baggage", "note", "not verified"),
        ("tracecontext,baggage,synthetic", "ok", "verified"),
    ],
)
def test_doctor_checks_the_opentelemetry_propagators(
    variables: dict[str, str], propagators: str, level: str, says: str
) -> None:
    finding = findings(**variables, OTEL_PROPAGATORS=propagators)[f"OTEL_PROPAGATORS={propagators}"]
    assert (finding["level"], finding["section"]) == (level, "OpenTelemetry")
    assert says in finding["text"]


def test_variables_that_record_tokens_must_be_fixed(variables: dict[str, str]) -> None:
    name = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST"
    assert findings(**variables, **{name: ".*"})[name]["level"] == "fix"


def test_a_misspelled_variable_must_be_fixed(variables: dict[str, str]) -> None:
    finding = findings(**variables, SYNTHETIC_ENVIROMENT="staging")["SYNTHETIC_ENVIROMENT"]
    assert finding["level"] == "fix"
    assert "SYNTHETIC_ENVIRONMENT" in finding["text"]


def test_doctor_notes_that_every_run_is_halted(variables: dict[str, str]) -> None:
    assert findings(**variables, SYNTHETIC_HALT="all")["halt"]["level"] == "note"


def test_doctor_notes_that_every_host_takes_part(variables: dict[str, str]) -> None:
    assert findings(**variables, SYNTHETIC_INTERNAL_HOSTS="*")["internal_hosts"]["level"] == "note"


def test_propagators_are_not_checked_without_opentelemetry_instrumentation(
    keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTEL_PROPAGATORS", raising=False)
    monkeypatch.setattr("synthetic._cli.doctor._distributions", lambda: iter(()))
    assert "propagators" not in {finding.subject for finding in examine(keys=json.dumps(keys))}


def test_doctor_reports_that_our_instrumentor_is_disabled(variables: dict[str, str]) -> None:
    name = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
    assert (
        "skips this library" in findings(**variables, **{name: "flask, synthetic"})[f"{name}=flask, synthetic"]["text"]
    )


def test_doctor_reports_another_sdk_that_writes_baggage(variables: dict[str, str]) -> None:
    pytest.importorskip("sentry_sdk")
    found = [finding for finding in findings(**variables).values() if finding["section"] == "other SDKs"]
    assert any(finding["subject"].startswith("sentry-sdk ") for finding in found)


def fake_distribution(folder: Path, name: str, version: str) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.mark.parametrize(
    ("name", "version", "level", "says"),
    [
        ("kafka-python", "2.0.2", "note", "not covered: send synthetic.headers()"),
        ("pebble", "5.2.3", "ok", 'synthetic.instrument("concurrency") carries the jobs of its pools'),
        ("cheroot", "11.1.2", "note", "it keeps only the last of two baggage header lines"),
        ("serverless-wsgi", "3.1.0", "note", "it keeps only the last of two baggage header lines"),
        ("httpx", "0.13.0", "fix", 'pip install --upgrade "synthetic-traffic[httpx]"'),
        ("httpx", "99.1", "note", "newer than any tested version (tested"),
    ],
)
def test_doctor_reports_uncovered_products_and_untested_versions(
    variables: dict[str, str], tmp_path: Path, name: str, version: str, level: str, says: str
) -> None:
    fake_distribution(tmp_path, name, version)
    finding = findings_of_the_command(**variables, PYTHONPATH=str(tmp_path))[f"{name} {version}"]
    assert finding["level"] == level
    assert says in finding["text"]


def test_doctor_names_every_installed_library_that_hands_work_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in HANDS_WORK_OVER:
        fake_distribution(tmp_path, name, "1.0")
    (tmp_path / "django" / "tasks").mkdir(parents=True)
    for package in ("django", "django/tasks"):
        (tmp_path / package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in [module for module in sys.modules if module.partition(".")[0] == "django"]:
        monkeypatch.delitem(sys.modules, module)
    libraries = {finding.subject: finding.text for finding in examine() if finding.section == "libraries"}
    for name in HANDS_WORK_OVER:
        assert re.search(r"synthetic[._]|baggage", libraries[f"{name} 1.0"]), libraries[f"{name} 1.0"]
    assert "synthetic.admitted(headers)" in libraries["django.tasks"]


@pytest.mark.parametrize("name", [*BY_HAND, *MODULES_BY_HAND])
def test_instrument_says_for_the_same_libraries_what_to_do_instead(name: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape({**BY_HAND, **MODULES_BY_HAND}[name])):
        synthetic.instrument(name)


def test_doctor_knows_every_extra_and_every_integration() -> None:
    extras = {
        match[1] for line in requires("synthetic-traffic") or () if (match := re.search(r"extra == .([\w-]+)", line))
    }
    assert extras - {"eddsa", "instruments"} <= set(COVERED)
    assert {point.name for point in entry_points(group=GROUP)} <= {*COVERED, "concurrency", "http-client", "logging"}


def test_the_newest_tested_versions_match_the_constraints() -> None:
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    pinned: dict[str, set[str]] = {}
    for line in lines:
        if match := re.match(r"([\w.-]+)==([\w.]+)", line):
            pinned.setdefault(match[1], set()).add(match[2])
    for coverage in COVERED.values():
        assert coverage.newest in pinned[coverage.distribution], coverage


def test_no_product_is_both_covered_and_done_by_hand() -> None:
    assert not {coverage.distribution for coverage in COVERED.values()} & set(BY_HAND)
