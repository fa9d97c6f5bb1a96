"""The demo of a load test in docs/examples/drive: what real riders feel, and the picture of it."""

from __future__ import annotations

import importlib
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.docs.pages import blocks_of
from tests.support.demos import EXAMPLES, PAGE, children_of, finished, is_running, need, needs_proc, start, wait_for
from tests.support.servers import wait_until

need("aiosmtpd", "cryptography", "locust", "rich", "uvicorn", "waitress")

DRIVE = EXAMPLES / "drive"
PROGRAM = DRIVE / "load.py"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.long
def test_both_runs_are_measured_and_drawn(tmp_path: Path):
    picture = tmp_path / "load.svg"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    demo = start(PROGRAM, temporary, "--seconds", "5", "--users", "20", "--out", str(picture))
    code, printed, errors = finished(demo)
    assert (code, errors) == (0, ""), printed
    for run in ("no shedding", 'shed="auto"'):
        assert re.search(rf" s  {run} +[1-9]\d* users   real p50 +[\d,]+ ms  p99 +[\d,]+ ms", printed), printed
    rows = {line.split("│")[1].strip(): line.split("│")[2:-1] for line in printed.splitlines() if "│" in line}
    assert list(rows) == ["no simulated users", "no shedding", 'shed="auto"']
    for run in ("no shedding", 'shed="auto"'):
        p50, p99, failed, *_ = (cell.strip() for cell in rows[run])
        assert p50.endswith(" ms")
        assert p99.endswith(" ms")
        assert failed == "0"
    assert rows["no shedding"][4].strip() == "0/s"
    assert f"exit code 0. The picture is {picture}." in printed
    texts = [text.text for text in ElementTree.fromstring(picture.read_text(encoding="utf-8")).iter(f"{SVG}text")]
    assert {"no shedding", 'shed="auto"', "simulated users"} <= set(texts)
    assert list(temporary.iterdir()) == []


def test_the_page_of_the_demo_shows_its_help_and_its_table(tmp_path: Path):
    shown = [block.text for block in blocks_of(PAGE) if block.language == "text"]
    code, printed, errors = finished(start(PROGRAM, tmp_path, "--help", COLUMNS="120"))
    assert (code, errors) == (0, "")
    assert printed in shown
    (table,) = (text for text in shown if "real failed" in text)
    assert [line.split("│")[1].strip() for line in table.splitlines() if "│" in line] == [
        "no simulated users",
        "no shedding",
        'shed="auto"',
    ]


def test_a_picture_that_cannot_be_written_is_refused_before_the_start(tmp_path: Path):
    code, printed, errors = finished(start(PROGRAM, tmp_path, "--out", str(tmp_path / "none" / "load.svg")))
    assert (code, printed) == (2, "")
    assert "argument --out: there is no folder" in errors


@needs_proc
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_all_processes_end_with_the_demo(tmp_path: Path, number: signal.Signals, code: int):
    demo = start(PROGRAM, tmp_path)
    wait_for(demo, "users   real p50")
    started = dict(children_of(demo.pid))
    assert len(started) == 8, started  # the service, real riders, and a master and two workers, each watched over
    demo.send_signal(number)
    assert finished(demo)[0] == code
    wait_until(lambda: not any(is_running(pid) for pid in started))
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a module of the demo by its name."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(EXAMPLES / "rides"))
    monkeypatch.syspath_prepend(str(DRIVE))
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if EXAMPLES in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
            del sys.modules[name]


def test_the_dial_goes_from_nobody_to_everybody_and_back(modules: Any):
    share_at = modules("dial").share_at
    shares = [share_at(moment / 100) for moment in range(101)]
    assert shares[0] == shares[15] == shares[80] == shares[100] == 0
    assert shares[45] == shares[60] == 1
    assert shares[30] == pytest.approx(0.5)
    assert shares[15:46] == sorted(shares[15:46])
    assert shares[65:81] == sorted(shares[65:81], reverse=True)


def test_a_percentile_is_one_of_the_times(modules: Any):
    percentile = modules("measured").percentile
    assert percentile([], 0.5) is None
    assert percentile([7.0], 0.99) == 7.0
    assert percentile([float(n) for n in range(100)], 0.5) == 50
    assert percentile([float(n) for n in range(100)], 0.99) == 99


def test_the_chart_is_drawn_whatever_was_measured(modules: Any):
    measured, chart = modules("measured"), modules("chart").chart
    point = measured.Point
    empty = measured.Run("none", None)
    silent = measured.Run("<silent>", None, [point(0, 0, None, None, 0, 0), point(5, 3, None, None, 0, 0)])
    one = measured.Run("one", None, [point(1, 3, 9.0, 9.0, 0, 0)])
    slow = measured.Run("slow", None, [point(1, 3, 9.0, 90000.0, 0, 0), point(9, 3, 9.0, 1.0, 0, 0)])
    for runs in ([empty, silent], [one, slow], [slow, slow], [one, one]):
        root = ElementTree.fromstring(chart(runs, 10, 3))
        names = [text.text for text in root.iter(f"{SVG}text") if text.get("class") in ("first", "second")]
        assert names == [run.name for run in runs]
        first, second = (float(t.get("y")) for t in root.iter(f"{SVG}text") if t.get("class") in ("first", "second"))
        assert abs(first - second) >= 17
