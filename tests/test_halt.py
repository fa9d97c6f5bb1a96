"""Halting runs by the setting and by a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic import simulated
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic.errors import ConfigurationError
from tests.support.servers import uvicorn_server, wait_until
from tests.support.wire import get
from tests.test_configuration import configure


def test_changes_of_the_halt_file_take_effect_on_a_running_server(keys: dict[str, Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    synthetic.configure(keys=keys, halt_file="halted")
    with simulated(run="rush-hour"):
        marked = list(synthetic.headers().items())
    with uvicorn_server(SyntheticTrafficMiddleware(app), lifespan="off") as port:
        assert get(port, "/", marked).status == 200
        Path("halted").write_text("# since noon\nother, rush-hour\n")
        wait_until(lambda: get(port, "/", marked).status == 403)
        assert get(port, "/", marked).json()["reason"] == "halted"
        assert get(port, "/").status == 200
        Path("halted").unlink()
        wait_until(lambda: get(port, "/", marked).status == 200)


def test_a_halt_file_contains_all_or_names_of_runs() -> None:
    Path("halted").write_text("all\n")
    assert configure(halt_file="halted").is_halted("any")
    assert not configure(halt_file="no-such-file").is_halted("any")
    Path("halted").write_text("# all\none two,three # four\n")
    config = configure(halt_file="halted", halt="five")
    runs = ("one", "two", "three", "four", "five", "all", "#")
    assert [run for run in runs if config.is_halted(run)] == ["one", "two", "three", "five"]


@pytest.mark.parametrize("every", ["all", "ALL", "All", ["aLL"], "rush-hour,ALL"])
def test_all_halts_every_run_in_upper_and_lower_case(every: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert configure(halt=every).is_halted("any")
    text = every if isinstance(every, str) else every[0]
    monkeypatch.setenv("SYNTHETIC_HALT", text)
    assert configure().is_halted("any")
    monkeypatch.delenv("SYNTHETIC_HALT")
    Path("halted").write_text(f"{text}\n")
    assert configure(halt_file="halted").is_halted("any")


@pytest.mark.parametrize(("content", "halted"), [("one, two\n", ["one", "two"]), ("ALL\r\n", ["one", "two", "three"])])
def test_a_byte_order_mark_in_the_halt_file_is_ignored(content: str, halted: list[str]) -> None:
    Path("halted").write_bytes(b"\xef\xbb\xbf" + content.encode())
    config = configure(halt_file="halted")
    assert [run for run in ("one", "two", "three") if config.is_halted(run)] == halted


NOT_UNDERSTOOD = {
    "a star": b"*\n",
    "a flag": b"rush-hour, true\n",
    "a sentence": "everything, please: größte Eile!\n".encode(),
    "a path": b"runs/rush-hour\n",
}
NO_TEXT = {"UTF-16": "rush-hour\n".encode("utf-16"), "no text": b"rush-hour\n\xff\xfe\xff\n"}


@pytest.mark.parametrize("content", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD)
def test_an_invalid_halt_file_halts_every_run_and_is_logged(caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    Path("halted").write_bytes(content)
    config = configure(halt_file="halted")
    assert [config.is_halted(run) for run in ("any", "other")] == [True, True]
    assert any("halt" in message for message in caplog.messages)


@pytest.mark.parametrize("content", [*NOT_UNDERSTOOD.values(), *NO_TEXT.values()], ids=[*NOT_UNDERSTOOD, *NO_TEXT])
def test_a_halt_file_that_becomes_invalid_halts_every_run_until_fixed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr("synthetic._config.watched._LOOK_AGAIN", 0.02)
    file = Path("halted")
    file.write_bytes(b"other\n")
    config = configure(halt_file=file)
    assert [config.is_halted(run) for run in ("any", "other")] == [False, True]
    file.write_bytes(content)
    wait_until(lambda: config.is_halted("any"))
    assert config.is_halted("other")
    assert any("halt" in message for message in caplog.messages)
    file.write_bytes(b"other\n# all")
    wait_until(lambda: not config.is_halted("any"))
    assert config.is_halted("other")


@pytest.mark.parametrize("content", NO_TEXT.values(), ids=NO_TEXT)
def test_a_binary_halt_file_at_start_up_raises_or_halts_every_run(content: bytes) -> None:
    Path("halted").write_bytes(content)
    try:
        config = configure(halt_file="halted")
    except ConfigurationError as error:
        assert str(error).startswith("halt_file (from the argument halt_file=): ")  # noqa: PT017 (either will do)
    else:
        assert config.is_halted("any")
