"""The dashboard and the alert rules of *Drive* fit Grafana and Prometheus, and find what a real run reports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import typing
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import PROJECT, blocks_of, table_under
from tests.support import brokers
from tests.support.keys import eddsa_pair
from tests.support.servers import environment, wait_until

DRIVE = PROJECT / "docs" / "drive"
PROGRAMS = Path(__file__).with_name("drive")
DASHBOARD: dict[str, Any] = json.loads((DRIVE / "grafana.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DRIVE / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
VARIABLES = {"$__rate_interval": "10s", "$run": ".*", "$job": ".*"}

# Grafana's schema. The package reads a dashboard without checking it, so two checks are made of what it has: whatever
# it does not know is lost on the way through its classes, and each class says which type a field has.


def _model(dashboard: dict[str, Any]) -> Any:
    plugins = pytest.importorskip("grafana_foundation_sdk.cog.plugins")
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    return Dashboard.from_json(dashboard)


def _lost(given: Any, kept: Any, where: str) -> Iterator[str]:
    """Yield the places where ``given`` has something that ``kept`` has not."""
    if isinstance(given, dict):
        if not isinstance(kept, dict):
            yield where
            return
        for name, value in given.items():
            yield from _lost(value, kept.get(name), f"{where}.{name}")
    elif isinstance(given, list):
        if not isinstance(kept, list) or len(given) != len(kept):
            yield where
            return
        for number, value in enumerate(given):
            yield from _lost(value, kept[number], f"{where}[{number}]")
    elif given != kept:
        yield f"{where}: {given!r}"


def _wrong(value: Any, kind: Any, where: str) -> Iterator[str]:
    """Yield the places where a value of Grafana's model is not of the type that the model says."""
    if kind is typing.Any or kind is object:
        return
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Union:
        found = {typing.get_origin(part) or part: list(_wrong(value, part, where)) for part in parts}
        if all(found.values()):
            yield from found.get(type(value), [f"{where}: {value!r} is not {kind}"])
    elif origin is typing.Literal:
        if value not in parts:
            yield f"{where}: {value!r} is none of {parts}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{where}: {value!r} is no list"
            return
        for number, one in enumerate(value):
            yield from _wrong(one, parts[0], f"{where}[{number}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no dict"
            return
        for name, one in value.items():
            yield from _wrong(one, parts[1], f"{where}.{name}")
    elif kind is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"{where}: {value!r} is no number"
    elif isinstance(kind, type) and issubclass(kind, (str, int)) and kind not in (str, int, bool):  # an enumeration
        if value not in [member.value for member in typing.cast("Any", kind)]:
            yield f"{where}: {value!r} is no {kind.__name__}"
    elif not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        yield f"{where}: {value!r} is no {getattr(kind, '__name__', kind)}"
    if hasattr(value, "to_json") and hasattr(type(value), "__annotations__"):
        module = sys.modules[type(value).__module__]
        for name, hint in typing.get_type_hints(type(value), vars(module)).items():
            yield from _wrong(getattr(value, name), hint, f"{where}.{name}")


def _mistakes(dashboard: dict[str, Any]) -> list[str]:
    model = _model(dashboard)
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    kept = json.loads(JSONEncoder(sort_keys=True).encode(model))
    return [*_lost(dashboard, kept, "dashboard"), *_wrong(model, type(model), "dashboard")]


def test_the_dashboard_fits_grafanas_schema() -> None:
    assert _mistakes(DASHBOARD) == []


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        ({"tittle": "Simulated users"}, "dashboard.tittle: 'Simulated users'"),
        ({"title": 7}, "dashboard.title: 7 is not typing.Optional[str]"),
        ({"graphTooltip": 9}, "dashboard.graph_tooltip: 9 is no DashboardCursorSync"),
        (
            {"panels": [{"type": "timeseries", "gridPos": {"h": "8", "w": 12, "x": 0, "y": 0}}]},
            "dashboard.panels[0].grid_pos.h: '8' is no int",
        ),
    ],
)
def test_a_mistake_in_a_dashboard_is_found(change: dict[str, Any], mistake: str) -> None:
    assert mistake in _mistakes({**DASHBOARD, **change})


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_every_query_asks_the_chosen_prometheus() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert all(panel["datasource"] == chosen for panel in PANELS)
    assert all(target["datasource"] == chosen for panel in PANELS for target in panel["targets"])


def test_the_page_lists_every_alert() -> None:
    listed = [name.strip("`") for name, _ in table_under("docs/drive/staging.md", "## Dashboard and alerts")]
    assert listed == [rule["alert"] for rule in ALERTS]


@pytest.mark.usefixtures("with_prometheus")
def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    text = (PROGRAMS / "alerts.test.yml").read_text(encoding="utf-8")
    file = tmp_path / "alerts.test.yml"
    file.write_text(text.replace("../../../docs/drive/alerts.yml", str(DRIVE / "alerts.yml")), encoding="utf-8")
    for command in (["check", "rules", str(DRIVE / "alerts.yml")], ["test", "rules", str(file)]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def _answer(url: str, path: str, **parameters: str) -> Any:
    try:
        with urllib.request.urlopen(f"{url}{path}?{urllib.parse.urlencode(parameters)}") as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        pytest.fail(f"{parameters}: {error.read().decode()}")


def _series(url: str, promql: str) -> list[Any]:
    for name, value in VARIABLES.items():
        promql = promql.replace(name, value)
    return list(_answer(url, "/api/v1/query", query=promql)["result"])


def _without_limit(promql: str) -> str:
    """Return what an alert compares with its limit: that has to exist also while all is well."""
    compared = re.fullmatch(r"(?s)(?:absent\((?P<absent>.*)\)|(?P<rest>.*)) (?:==|>) [\d.]+", promql.strip())
    assert compared, promql
    return compared["absent"] or compared["rest"]


@contextmanager
def _scraped(folder: Path) -> Iterator[str]:
    """Run actors against a service, both scraped by Prometheus; gives its URL."""
    ports = {name: brokers.free_port() for name in ("service", "metrics of the service", "metrics of the run")}
    private, public = eddsa_pair()
    (folder / "private.jwks").write_text(json.dumps(private), encoding="utf-8")
    (folder / "public.jwks").write_text(json.dumps(public), encoding="utf-8")
    (folder / "synthetic.toml").write_text(
        f'keys = "private.jwks"\n[drive.staging]\nhost = "http://127.0.0.1:{ports["service"]}"\nusers = 4\nrate = 4\n',
        encoding="utf-8",
    )
    shutil.copy(PROGRAMS / "actors.py", folder)
    (observed,) = [block.text for block in blocks_of(DRIVE / "staging.md") if block.file == "observed.py"]
    port = str(ports["metrics of the run"])
    (folder / "observed.py").write_text(observed.replace("9464", port), encoding="utf-8")
    jobs = {"rides": ports["metrics of the service"], "actors": ports["metrics of the run"]}
    configuration = yaml.safe_dump(
        {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(DRIVE / "alerts.yml")],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in jobs.items()
            ],
        }
    )
    service = [sys.executable, str(PROGRAMS / "service.py"), str(folder / "public.jwks")]
    command = str(Path(sys.executable).with_name("synthetic-traffic"))
    run = [command, "run", str(folder / "actors.py"), "--target", "staging"]
    variables = {**environment(), "SYNTHETIC_CONFIG": str(folder / "synthetic.toml")}
    served = {"PORT": str(ports["service"]), "METRICS_PORT": str(ports["metrics of the service"])}
    with (
        brokers.running(service, ports["service"], {**environment(), **served}),
        brokers.running(run, ports["metrics of the run"], variables),
        brokers.prometheus(configuration) as url,
    ):
        forged = urllib.request.Request(
            f"http://127.0.0.1:{ports['service']}/rides", b"", {"baggage": "synthetic-traffic=1"}
        )
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(forged)
        yield url


def _wait(found: Callable[[], Any], wanted: Any) -> None:
    """Wait until ``found`` returns what is wanted; show what it returns if that never comes."""
    with suppress(TimeoutError):
        wait_until(lambda: time.sleep(0.2) or found() == wanted)
    assert found() == wanted


def _without_series(url: str) -> list[str]:
    """Return the queries of the dashboard, of its variables and of the alerts that find nothing yet."""
    queries = [target["expr"] for panel in PANELS for target in panel["targets"]]
    queries += [_without_limit(rule["expr"]) for rule in ALERTS]
    missing = [query for query in queries if not _series(url, query)]
    for variable in DASHBOARD["templating"]["list"]:
        asked = re.fullmatch(r"label_values\((?P<series>\w+), (?P<label>\w+)\)", variable["query"])
        if asked and not _answer(url, f"/api/v1/label/{asked['label']}/values", **{"match[]": asked["series"]}):
            missing.append(variable["query"])
    return missing


def _rules(url: str) -> list[tuple[str, str]]:
    groups = _answer(url, "/api/v1/rules")["groups"]
    return [(rule["name"], rule["health"]) for group in groups for rule in group["rules"]]


def _health(url: str) -> dict[str, str]:
    return {one["metric"]["journey"]: one["value"][1] for one in _series(url, "synthetic_journey_healthy")}


def _ends(url: str) -> set[tuple[str, str, str]]:
    found = _series(url, "synthetic_journey_ended_total")
    return {(one["metric"]["journey"], one["metric"]["outcome"], one["metric"]["step"]) for one in found}


@pytest.mark.usefixtures("with_prometheus")
def test_every_query_of_dashboard_and_alerts_finds_what_a_real_run_reports(tmp_path: Path) -> None:
    ends = {
        ("ride", "completed", "-"),
        ("ride", "shed", "book"),
        ("rate", "failed", "send"),
        ("rate", "shed", "send"),
    }
    with _scraped(tmp_path) as url:
        _wait(lambda: _ends(url), ends)
        _wait(lambda: _health(url), {"ride": "1", "rate": "0"})
        _wait(lambda: _without_series(url), [])
        _wait(lambda: _rules(url), [(rule["alert"], "ok") for rule in ALERTS])
        for panel in PANELS:
            for target in panel["targets"]:
                labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
                assert all(labels <= set(series["metric"]) for series in _series(url, target["expr"])), panel["title"]
