"""The dial: its document, the command that turns it, and the controller that holds a measurement."""

from __future__ import annotations

import json
import stat
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic._cli.main import main
from synthetic_locust._dial import Setting, parse, read, write
from synthetic_locust._hold import next_step
from synthetic_locust._shape import Dial

NOW = 1_800_000_000.0
VALUES = st.integers() | st.floats() | st.text() | st.booleans() | st.none()


def test_a_document_says_how_many_users_act_and_until_when() -> None:
    setting = parse(json.dumps({"users": 40, "rate": 5, "until": NOW + 60}), NOW)
    assert setting == Setting(40, 5.0, NOW + 60)
    assert setting.at(NOW + 59).users == 40
    assert setting.at(NOW + 60).users == 0


def test_the_rate_has_a_default_and_stop_needs_nothing_else() -> None:
    assert parse(json.dumps({"users": 1, "until": NOW + 1}), NOW).rate == 10
    assert parse('{"stop": true}', NOW).is_stop
    assert parse('{"stop": true, "users": 40}', NOW).at(NOW).users == 0


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"users": 4}', "no end"),
        ('{"users": 4, "until": null}', "no end"),
        ('{"users": 4, "until": 1e400}', "no end"),
        ('{"users": 4, "until": NaN}', "no end"),
        ('{"users": 4, "until": 1900000000}', "more than 24 hours ahead"),
        ('{"users": -1, "until": 1800000060}', "no number of users"),
        ('{"users": 4.5, "until": 1800000060}', "no number of users"),
        ('{"users": true, "until": 1800000060}', "no number of users"),
        ('{"users": "4", "until": 1800000060}', "no number of users"),
        ('{"users": 4, "rate": 0, "until": 1800000060}', "rate"),
        ('{"stop": "yes"}', "neither true nor false"),
        ('{"users": 3, "until": 1800000060, "stop": "true"}', "neither true nor false"),
    ],
)
def test_a_document_that_says_nothing_valid_is_unreadable(document: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse(document, NOW)


@given(st.text() | st.dictionaries(st.sampled_from(["users", "rate", "until", "stop"]), VALUES).map(json.dumps))
def test_whatever_a_document_holds_the_dial_has_a_setting_or_is_unreadable(document: str) -> None:
    try:
        setting = parse(document, NOW)
    except ValueError:
        return
    assert setting.is_stop or (setting.users >= 0 and setting.until <= NOW + 24 * 3600)


def test_a_file_is_replaced_as_a_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    dial = tmp_path / "rides.dial"
    write(dial, {"users": 1, "until": NOW + 1})
    assert stat.S_IMODE(dial.stat().st_mode) == 0o644
    dial.chmod(0o660)
    is_over = threading.Event()
    seen: list[Setting] = []

    def look() -> None:
        while not is_over.is_set():
            seen.append(read(str(dial), NOW))

    reader = threading.Thread(target=look)
    reader.start()
    for users in range(200):
        write(dial, {"users": users, "until": NOW + 1})
    is_over.set()
    reader.join()
    assert seen  # and each of them was whole
    assert stat.S_IMODE(dial.stat().st_mode) == 0o660
    assert [path.name for path in tmp_path.iterdir()] == ["rides.dial"]


def test_a_dial_is_read_from_a_url(tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"users": 7, "until": NOW + 9}).encode() if self.path == "/rides" else b"gone"
            self.send_response(200 if self.path == "/rides" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert read(f"{url}/rides", NOW).users == 7
        with pytest.raises(ValueError, match="cannot be read"):
            read(f"{url}/other", NOW)
        server.shutdown()
    with pytest.raises(ValueError, match="cannot be read"):
        read(f"{url}/rides", NOW)
    with pytest.raises(ValueError, match="cannot be read"):
        read(str(tmp_path / "no.dial"), NOW)


def test_the_command_turns_the_dial_for_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dial", "rides.dial", "40", "--for", "20m", "--rate", "5"]) == 0
    setting = read("rides.dial", time.time())
    assert (setting.users, setting.rate) == (40, 5.0)
    assert 1190 < setting.until - time.time() <= 1201
    assert main(["dial", "rides.dial", "show"]) == 0
    assert "40 users, 5 more each second, until " in capsys.readouterr().out
    assert main(["dial", "rides.dial", "stop"]) == 0
    assert read("rides.dial", time.time()).is_stop
    assert main(["dial", "rides.dial", "show"]) == 0
    assert capsys.readouterr().out.endswith("stop\n")


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["rides.dial"], "say what to do"),
        (["rides.dial", "40"], "say for how long: --for 20m"),
        (["rides.dial", "40", "--for", "25h"], "is not between"),
        (["rides.dial", "40", "--for", "soon"], "is not a duration"),
        (["rides.dial", "many", "--for", "20m"], "neither a number of users"),
        (["rides.dial", "-1", "--for", "20m"], ""),
        (["https://dial.example/rides", "40", "--for", "20m"], "which a run only reads"),
        (["rides.dial", "--hold", "up"], "--hold needs --below"),
    ],
)
def test_wrong_arguments_turn_nothing_and_say_what_works(
    arguments: list[str], advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["dial", *arguments])
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert advice in capsys.readouterr().err
    assert not Path("rides.dial").exists()


def test_a_dial_that_is_not_there_shows_that_nobody_acts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dial", "rides.dial", "show"]) == 1
    assert "nobody acts" in capsys.readouterr().out


def test_the_controller_adds_a_little_and_halves() -> None:
    users, seen = 0, []
    for value in [0.1] * 4 + [0.5, 0.1, None, 0.1]:
        users, _ = next_step(users, 200, value, 0.4)
        seen.append(users)
    assert seen == [10, 20, 30, 40, 20, 30, 0, 10]


@given(st.integers(0, 500), st.integers(1, 500), st.none() | st.floats(allow_nan=False))
def test_the_controller_never_asks_for_more_than_the_most(users: int, most: int, value: float | None) -> None:
    step = next_step(min(users, most), most, value, 0.4)
    assert 0 <= step.users <= most
    if value is None or value >= 0.4:
        assert step.users <= users // 2


def test_the_controller_leaves_a_stop_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dial = tmp_path / "rides.dial"
    write(dial, {"stop": True})
    assert main(["dial", str(dial), "--hold", "up", "--below", "1", "--most", "9", "--prometheus", "http://x"]) == 0
    assert read(str(dial), NOW).is_stop
    assert "it says stop, which stays" in capsys.readouterr().out


def test_a_stop_between_a_look_and_a_write_is_not_lost(tmp_path: Path) -> None:
    dial = tmp_path / "rides.dial"
    write(dial, {"users": 4, "until": NOW})
    stops = [threading.Thread(target=write, args=(dial, {"stop": True})) for _ in range(4)]
    begun = threading.Barrier(5)

    def turn() -> None:
        begun.wait()
        for _ in range(200):
            write(dial, {"users": 5, "until": NOW}, unless_stop=True)

    turns = [threading.Thread(target=turn) for _ in range(4)]
    for thread in turns:
        thread.start()
    begun.wait()
    for thread in stops:
        thread.start()
    for thread in (*turns, *stops):
        thread.join()
    assert read(str(dial), NOW).is_stop


@pytest.mark.parametrize(
    ("before", "written", "warns"),
    [(None, -60, False), (None, 60, True), (-1, -60, True), (-1, -2, False), (-1, 3, False)],
)
def test_clocks_that_differ_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, before: float | None, written: float, warns: bool
) -> None:
    """What was there when the run began may be old."""
    dial = tmp_path / "rides.dial"
    follower = Dial(str(dial), None, lambda _: None)
    now = time.time()
    for ago in (before, written):
        if ago is not None:
            write(dial, {"users": 1, "until": now + 600, "written": now + ago})
            follower._setting = follower._read()
    assert ("off this one, and the lease with it" in caplog.text) == warns


def test_wrong_places_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, problem in (
        (tmp_path, "is a folder"),
        (tmp_path / "nowhere" / "x.dial", "does not exist; make it first"),
    ):
        assert main(["dial", str(path), "stop"]) == 2
        assert problem in capsys.readouterr().err
    assert main(["dial", str(tmp_path / "x.dial"), "5", "--for", "1m", "--hold", "up"]) == 2
    assert "leave out '5'" in capsys.readouterr().err
