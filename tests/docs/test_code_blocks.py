"""Every code block of the README, of the pages beside it and of the documentation runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import PROJECT, Block, blocks_in, blocks_of, pages
from tests.docs.run_page import fits
from tests.support.installed import finding, installing
from tests.support.versions import is_before

SHELLS = ("console", "sh", "shell")
ILLUSTRATIONS = {"text", "http", "javascript"}
"""Network traffic, drawings and programs for other tools, which cannot be executed."""

PARSED: dict[str, Callable[[str], object]] = {
    "ini": ConfigParser(strict=False, interpolation=None, delimiters="=").read_string,
    "json": json.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
}
"""Files for other programs, which are only read."""

RUN = re.compile(r"(?:[A-Z_]+=\S* )*(?:synthetic-traffic|opentelemetry-instrument|pytest|python) .*", re.DOTALL)

INSTALL = re.compile(r"pip install(?: \./[\w-]+)+")
"""Distributions whose files are on the page. They are installed into a folder apart from those of the tests."""

SITE = "site"

NOT_RUN = {
    r'pip install "\.\[eddsa\]"( \w+)*': "would change the environment of the tests",
    r'make demo(-staging|-load)?( ARGS=".*")?': "makes a virtual environment; it is a step of .ci/run",
    r"make test": "would run this test again",
    r"synthetic-traffic mint .* \| curl -H @- http://localhost:8000/": "nothing listens there",
    r"printf .* \| curl -H @- .*": "nothing listens there",
    r"k6 run .*": "k6 is no package",
}
"""The only commands that are not run, and why."""

NEWER = {
    ("docs/integrations/analytics.md", "import posthog"): ("posthog", "6"),
    ("docs/integrations/analytics.md", "synthetic.uninstrument()"): ("posthog", "6"),
    ("docs/integrations/aiohttp.md", "middlewares=[client_middleware]"): ("aiohttp", "3.12"),
    ("docs/integrations/arq.md", "await pool.aclose()"): ("redis", "5.0.1"),  # before, it is called close
    ("docs/integrations/httpx2.md", "client = TestClient(app)"): ("starlette", "1.2"),  # before, a client of httpx
}
"""Page and text of each block that needs more than the oldest supported version. Older versions skip the block."""

NEEDED = {"docs/integrations/playwright.md": "chromium"}
"""The fixture that a page needs. Where that skips a test, it skips the page."""

PAGES = [page for page in pages() if blocks_of(page)]

COMPLETE = {"README.md", "docs/configuration.md", "docs/quickstart.md"}
"""Pages that need nothing but what they show. On the others the reader has set the environment, once for all."""


def _name(page: Path) -> str:
    return str(page.relative_to(PROJECT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_code_blocks_run_in_order_and_print_what_the_page_shows(
    page: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if needed := NEEDED.get(_name(page)):
        request.getfixturevalue(needed)
    steps = tmp_path / "steps.json"
    run = [block for block in blocks_of(page) if _lacking(block) is None]
    steps.write_text(json.dumps([step for block in run for step in _steps(block)]), encoding="utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    command = [sys.executable, *_warnings(request.config), str(Path(__file__).with_name("run_page.py")), str(steps)]
    environment = finding(folder / SITE, _environment(page))
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    if lacking := {lack for block in blocks_of(page) if (lack := _lacking(block))}:
        pytest.skip(f"all blocks ran but those that need {', '.join(sorted(lacking))}")


def _lacking(block: Block) -> str | None:
    """Return the version that the block needs if an older one is installed."""
    for (page, text), (distribution, release) in NEWER.items():
        if _name(block.page) == page and text in block.text and is_before(distribution, release):
            return f"{distribution} {release}"
    return None


def _steps(block: Block) -> Iterator[dict[str, Any]]:
    if block.language in SHELLS:
        for command, shown in block.commands:
            if command.startswith("export "):
                yield {"do": "export", "command": command}
            elif not any(re.fullmatch(pattern, command) for pattern in NOT_RUN):
                if INSTALL.fullmatch(command):
                    command = shlex.join(installing(SITE, *command.split()[2:]))
                else:
                    assert RUN.fullmatch(command), f"{block.place}: neither run nor listed in NOT_RUN: {command}"
                yield {"do": "command", "command": command, "shown": shown, "place": block.place}
    elif block.file is not None:
        yield {"do": "write", "name": block.file, "text": block.text}
    elif block.language == "python":
        yield {"do": "execute", "page": str(block.page), "line": block.line, "text": block.text}
    elif block.language in PARSED:
        PARSED[block.language](block.text)
    else:
        assert block.language in ILLUSTRATIONS, f"{block.place}: what to do with {block.language!r} is not known here"


def _warnings(config: pytest.Config) -> Iterator[str]:
    """Yield the warning filters of this pytest run, so that the page is as strict."""
    for rule in (*config.getini("filterwarnings"), *(config.getoption("pythonwarnings") or ())):
        yield f"-W{rule}"


def _environment(page: Path) -> dict[str, str]:
    ours = {} if _name(page) in COMPLETE else {"SYNTHETIC_ENVIRONMENT": "docs"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SYNTHETIC_", "OTEL_"))}
    return {**kept, **ours, "PATH": os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", "")))}


def test_every_file_that_a_page_shows_is_used_on_that_page() -> None:
    unused = []
    for page in PAGES:
        blocks = blocks_of(page)
        for number, block in enumerate(blocks):
            later = "".join(other.text for other in blocks[number + 1 :])
            if block.file and block.file.endswith(".py") and not _is_used(block.file, later):
                unused.append(f"{block.place}: {block.file}")
    assert unused == []


def _is_used(file: str, later: str) -> bool:
    name = Path(file).parent.name if Path(file).name == "__init__.py" else Path(file).stem
    return "$ pytest" in later if name == "conftest" else re.search(rf"\b{name}\b", later) is not None


def test_every_skipped_command_appears_on_a_page() -> None:
    blocks = [block for page in PAGES for block in blocks_of(page) if block.language in SHELLS]
    shown = [command for block in blocks for command, _ in block.commands]
    assert [pattern for pattern in NOT_RUN if not any(re.fullmatch(pattern, command) for command in shown)] == []


@pytest.mark.parametrize(("page", "text"), NEWER)
def test_every_block_that_needs_a_newer_version_appears_on_its_page(page: str, text: str) -> None:
    assert any(text in block.text for block in blocks_of(PROJECT / page))


def test_there_are_pages_with_code_blocks() -> None:
    assert {"README.md", "docs/security.md", "docs/guards.md", "docs/integrations/requests.md"} <= set(
        map(_name, PAGES)
    )


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("```ruby\nputs 1\n```\n", "'ruby' is not known"),
        ("```sh\n$ rm -rf build\n```\n", "neither run nor listed"),
        ("```sh\nmake demo\nrm -rf build\n```\n", "neither run nor listed"),
        ("```json\n{'a': 1}\n```\n", "property name"),
    ],
)
def test_a_block_that_cannot_be_run_is_an_error(block: str, complaint: str) -> None:
    page = PROJECT / "docs" / "page.md"
    with pytest.raises((AssertionError, ValueError), match=complaint):
        [step for found in blocks_in(page, block) for step in _steps(found)]


@pytest.mark.parametrize(
    ("shown", "output", "expected"),
    [
        ("", "whatever\n", True),
        ("wrote a.jwks: ...\n", "wrote a.jwks: the key\n", True),
        ("verdict  good\n", "verdict    good\n", True),
        ("verdict good\n", "verdict refused\n", False),
        ("...\nverdict good\n", "key\nrun\nverdict good\n", True),
        ("good\n", "good\nand more\n", False),
    ],
)
def test_the_output_on_a_page_is_compared_with_wildcards(shown: str, output: str, expected: bool) -> None:
    assert fits(shown, output) is expected
