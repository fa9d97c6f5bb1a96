"""The demo in docs/examples/rides: the whole program, and its report on manipulated results."""

from __future__ import annotations

import importlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import blocks_of
from tests.support import demos
from tests.support.demos import EXAMPLES, PAGE, children_of, finished, is_running, needs_proc
from tests.support.servers import wait_until

for needed in ("aiosmtpd", "cryptography", "rich", "uvicorn", "waitress"):
    pytest.importorskip(needed, reason=f"the demo needs {needed}")

RIDES = EXAMPLES / "rides"
PLACES = ("stored in the books", "charged by payments", "counted by analytics", "mailed", "looked up by the map vendor")
ATTACKS = (
    "forged signature",
    "unknown key",
    "expired",
    "replayed from staging",
    "two different markers",
    "key spelled with %73",
    "call to an undeclared host",
)


def start(tmp_path: Path, *arguments: str, program: Path = RIDES, **variables: str) -> subprocess.Popen[str]:
    return demos.start(program, tmp_path, *arguments, **variables)


def numbers(printed: str) -> dict[str, list[int]]:
    """Return the rows of the tables: name -> numbers."""
    rows = ([cell.strip() for cell in re.split("[│|]", line)[1:-1]] for line in printed.splitlines())
    return {row[0]: [int(cell) for cell in row[1:] if cell] for row in rows if len(row) > 2 and row[1].isdigit()}


def test_the_books_hold_every_real_ride_and_no_simulated_one(tmp_path: Path):
    code, printed, errors = finished(start(tmp_path, "--seconds", "2", "--riders", "6", "--seed", "1"))
    assert (code, errors) == (0, ""), printed
    table = numbers(printed)
    real, simulated = table["asked for"]
    assert real > 0
    assert simulated > 0
    assert table["completed"] == [real, simulated]
    assert [table[place] for place in PLACES] == [[real, 0, 0]] * len(PLACES)
    for attack in ATTACKS:
        sent, refused = table[attack]
        assert sent == refused > 0
    assert list(tmp_path.iterdir()) == []


def test_a_policy_that_lets_simulated_rides_pay_is_noticed(tmp_path: Path):
    policy = tmp_path / "allow.toml"
    policy.write_text('[demo]\npayment = "allow"\n')
    code, printed, _ = finished(start(tmp_path, "--seconds", "1", "--riders", "2", "--policy", str(policy)))
    table = numbers(printed)
    assert code == 1
    assert table["charged by payments"] == [table["asked for"][0], table["asked for"][1], 0]
    assert table["stored in the books"] == [table["asked for"][0], 0, 0]
    assert "DIFFERENCE: rides that should not have been charged by payments" in printed
    assert re.search(r"ride-[0-9a-f]{16}  simulated", printed)


def test_a_policy_that_refuses_payment_is_noticed(tmp_path: Path):
    policy = tmp_path / "refuse.toml"
    policy.write_text('[demo]\npayment = "refuse"\n')
    code, printed, _ = finished(start(tmp_path, "--seconds", "1", "--riders", "1", "--policy", str(policy)))
    assert code == 1
    assert "DIFFERENCE: no simulated ride was completed" in printed
    assert "403 Client Error" in printed


@pytest.mark.parametrize(
    ("line", "instead", "places"),
    [
        ("run_in_executor(pool, context.run, settle, ride)", "run_in_executor(pool, settle, ride)", PLACES[:4]),
        ('@synthetic.guard("data-mutation")\n', "", PLACES[:1]),
        ('synthetic.guard_target("smtplib:SMTP.send_message", "notification")\n', "", PLACES[3:4]),
    ],
    ids=["marker lost in the thread pool", "guard forgotten", "guard on a library forgotten"],
)
def test_one_line_forgotten_in_a_service_is_noticed(tmp_path: Path, line: str, instead: str, places: tuple[str, ...]):
    program = tmp_path / "program"
    shutil.copytree(RIDES, program)
    text = (program / "rides.py").read_text(encoding="utf-8")
    assert text.count(line) == 1
    (program / "rides.py").write_text(text.replace(line, instead), encoding="utf-8")
    code, printed, errors = finished(start(tmp_path, "--seconds", "1", "--riders", "2", program=program))
    assert (code, errors) == (1, "")
    table = numbers(printed)
    real, simulated = table["asked for"]
    assert {place for place in PLACES if table[place] == [real, simulated, 0]} == set(places)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seconds", "0"], "argument --seconds: '0' is not a number from 1 to 600"),
        (["--seconds", "-3"], "'-3' is not a number from 1 to 600"),
        (["--seconds", "soon"], "'soon' is not a number from 1 to 600"),
        (["--seconds", "nan"], "'nan' is not a number from 1 to 600"),
        (["--seconds", "1e99"], "'1e99' is not a number from 1 to 600"),
        (["--riders", "0"], "argument --riders: '0' is not a whole number from 1 to 100"),
        (["--riders", "-1"], "'-1' is not a whole number from 1 to 100"),
        (["--riders", "1.5"], "'1.5' is not a whole number from 1 to 100"),
        (["--riders", "9" * 30], "is not a whole number from 1 to 100"),
        (["--seed", "-1"], "argument --seed: '-1' is not a whole number from 0 to 4294967295"),
        (["--seed", "x"], "'x' is not a whole number from 0 to 4294967295"),
        (["--seed", "9" * 5000], "is not a whole number from 0 to 4294967295"),
    ],
)
def test_the_error_for_a_bad_value_says_what_works(
    arguments: list[str], says: str, rides: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        rides("options").parse(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        ("payment: allow", "is not TOML"),
        ('[production]\npayment = "skip"\n', "has no table [demo] for this environment; it has: production"),
        ('[demo]\npayment = "perhaps"\n', "effect 'payment' has the unknown action 'perhaps'; the actions are allow"),
    ],
)
def test_an_invalid_policy_is_an_error_before_anything_starts(tmp_path: Path, content: str | None, says: str):
    policy = tmp_path / "policy.toml"
    if content is not None:
        policy.write_text(content)
    code, printed, errors = finished(start(tmp_path, "--policy", str(policy)))
    assert (code, printed) == (2, "")
    assert says in errors
    assert "Traceback" not in errors


def test_help_exits_with_0_and_a_wrong_value_with_2(tmp_path: Path):
    code, printed, errors = finished(start(tmp_path, "--help"))
    assert (code, errors) == (0, "")
    assert all(option in printed for option in ("--seconds", "--riders", "--seed", "--policy"))
    code, printed, errors = finished(start(tmp_path, "--riders", "many"))
    assert (code, printed) == (2, "")
    assert "'many' is not a whole number from 1 to 100" in errors


def test_the_page_of_the_demo_shows_its_help_and_every_row_of_its_tables(tmp_path: Path):
    shown = [block.text for block in blocks_of(PAGE) if block.language == "text"]
    _, printed, _ = finished(start(tmp_path, "--help", COLUMNS="120"))
    assert printed in shown
    (tables,) = (numbers(text) for text in shown if "asked for" in text)
    assert list(tables) == ["asked for", "completed", *PLACES, *ATTACKS]
    real, simulated = tables["asked for"]
    assert [tables[place] for place in ("completed", *PLACES)] == [[real, simulated], *[[real, 0, 0]] * len(PLACES)]


def test_a_service_that_fails_to_start_ends_the_demo_with_its_error(tmp_path: Path):
    broken = tmp_path / "path" / "aiosmtpd"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('no mail today')")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    code, _, errors = finished(start(temporary, "--seconds", "60", PYTHONPATH=str(broken.parent)))
    assert code == 1
    assert "rides: mail did not start (exit code 1)" in errors
    assert "no mail today" in errors
    assert list(temporary.iterdir()) == []


@needs_proc
@pytest.mark.parametrize("script", ["payments.py", "rides.py", "mail.py"])
def test_a_service_that_dies_ends_the_demo_at_once(tmp_path: Path, script: str):
    demo = start(tmp_path, "--seconds", "60")
    wait_for_rides(demo)
    os.kill(services_of(demo)[script], signal.SIGKILL)
    code, _, errors = finished(demo)
    assert code == 1
    assert f"rides: {script.removesuffix('.py')} died (exit code -9)" in errors
    assert list(tmp_path.iterdir()) == []


@needs_proc
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_the_services_end_with_the_demo(tmp_path: Path, number: signal.Signals, code: int):
    demo = start(tmp_path, "--seconds", "60")
    wait_for_rides(demo)
    services = services_of(demo)
    assert len(services) == 4  # the two vendors run the same script
    demo.send_signal(number)
    assert finished(demo)[0] == code
    wait_until(lambda: not any(is_running(pid) for pid in services.values()))
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []


def wait_for_rides(demo: subprocess.Popen[str]) -> None:
    assert demo.stdout is not None
    for line in demo.stdout:
        if re.search(r"[1-9]\d* real rides, [1-9]\d* simulated rides", line):
            return
    raise AssertionError(f"no rides: {finished(demo)}")


def services_of(demo: subprocess.Popen[str]) -> dict[str, int]:
    """Return script name -> process id for every process that the demo started."""
    return {Path(command.split()[1]).name: pid for pid, command in children_of(demo.pid)}


@pytest.fixture
def rides(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Imports a module of the demo by its name."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(RIDES))
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == RIDES:
            del sys.modules[name]


class Story:
    """Correct results of riders and sinks, for tests to tamper with."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self.asked, self.completed = ["real-1", "real-2"], ["real-1", "real-2"]
        self.simulated = {"asked": ["sim-1", "sim-2"], "completed": ["sim-1", "sim-2"]}
        self.strangers: list[str] = []
        self.failures: list[str] = []
        self.sent, self.refused, self.surprises = ["bad-1", "bad-2"], ["bad-1", "bad-2"], []
        self.sinks = module.Sinks(*([*self.asked] for _ in range(5)))

    def report(self) -> tuple[int, str]:
        from rich.console import Console

        paper = io.StringIO()
        code = self._module.report(
            self._module.Rides(self.asked, self.completed, self.strangers, self.failures),
            self._module.Rides(**self.simulated),
            [self._module.Refusals("forged", self.sent, self.refused, self.surprises)],
            self.sinks,
            Console(file=paper, width=100),
        )
        return code, paper.getvalue()


@pytest.fixture
def story(rides: Callable[[str], Any]) -> Story:
    return Story(rides("report"))


def test_correct_results_report_no_difference(story: Story):
    code, printed = story.report()
    assert code == 0
    assert "DIFFERENCE" not in printed
    assert numbers(printed)["mailed"] == [2, 0, 0]


SINKS = ("stored", "charged", "counted", "mailed", "looked_up")


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize(
    ("ride", "whose"),
    [("sim-2", "simulated"), ("bad-1", "forged"), ("x-1", "nobody knows whose"), ("real-2", "real, once too often")],
)
def test_an_extra_ride_in_any_sink_is_a_difference(story: Story, sink: str, ride: str, whose: str):
    getattr(story.sinks, sink).append(ride)
    code, printed = story.report()
    assert code == 1
    assert printed.count("DIFFERENCE") == 1
    assert f"  {ride}  {whose}\n" in printed


@pytest.mark.parametrize("sink", SINKS)
def test_a_real_ride_missing_from_a_sink_is_a_difference(story: Story, sink: str):
    getattr(story.sinks, sink).remove("real-2")
    code, printed = story.report()
    assert code == 1
    assert "DIFFERENCE: real rides that were not" in printed
    assert "\n  real-2\n" in printed


def test_a_simulated_ride_in_place_of_a_real_one_is_a_difference(story: Story):
    story.sinks.charged[0] = "sim-1"
    code, printed = story.report()
    assert code == 1
    assert "\n  real-1\n" in printed
    assert "\n  sim-1  simulated\n" in printed


def tamper_not_completed(story: Story) -> None:
    story.completed.remove("real-1")


def tamper_nothing_simulated(story: Story) -> None:
    story.simulated = {"asked": [], "completed": []}


def tamper_stranger(story: Story) -> None:
    story.strangers.append("real-1")


def tamper_failure(story: Story) -> None:
    story.failures.append("rider-1: timed out")


def tamper_believed(story: Story) -> None:
    story.refused.remove("bad-2")


def tamper_other_answer(story: Story) -> None:
    story.refused.remove("bad-2")
    story.surprises.append("bad-2: 201")


def tamper_none_sent(story: Story) -> None:
    story.sent, story.refused = [], []


@pytest.mark.parametrize(
    ("tamper", "what", "row"),
    [
        (tamper_not_completed, "real rides that were asked for and not completed", "real-1"),
        (tamper_nothing_simulated, "no simulated ride was completed", ""),
        (tamper_stranger, "real rides whose driver was not real", "real-1"),
        (tamper_failure, "what failed for real riders and drivers", "rider-1: timed out"),
        (tamper_believed, "forged: not refused, or for another reason", "bad-2"),
        (tamper_other_answer, "forged: not refused, or for another reason", "bad-2: 201"),
        (tamper_none_sent, "forged: none was sent", ""),
    ],
)
def test_every_unexpected_result_is_a_difference_with_its_rows(
    story: Story, tamper: Callable[[Story], None], what: str, row: str
):
    tamper(story)
    code, printed = story.report()
    assert code == 1
    assert f"DIFFERENCE: {what}\n" in printed
    assert row in printed


def test_a_long_list_of_rows_is_cut_and_counted(story: Story):
    story.sinks.mailed.extend(f"x-{number:02}" for number in range(50))
    code, printed = story.report()
    assert code == 1
    assert "x-07  nobody knows whose" in printed
    assert "x-08" not in printed
    assert "and 42 more" in printed
