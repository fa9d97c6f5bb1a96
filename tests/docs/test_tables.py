"""The tables of the documentation match the code."""

from __future__ import annotations

import inspect
import pkgutil
import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic._config.in_force import active
from synthetic._config.settings import SETTINGS, Setting
from synthetic._model.action import Action
from synthetic._model.reason import Reason
from tests.docs.pages import PROJECT, blocks_of, table_under

REASONS = table_under("docs/protocol.md", "## Reasons")
IN_PAGE = table_under("docs/configuration.md", "## Settings")
ACTIONS = table_under("docs/guards.md", "## What a guard does")
WORDS = [word for word, _ in table_under("docs/index.md", "## Words")]


def _code(cell: str) -> str:
    return cell.strip("`")


def test_the_protocol_page_has_every_reason_with_its_status() -> None:
    status = {_code(row[0]): row[1] for row in REASONS}
    received = [reason for reason in Reason if reason is not Reason.OUTLIVED]
    assert status == {reason.value: "429" if reason.is_later else "403" for reason in received}


def test_the_settings_table_on_the_configuration_page_matches_the_code() -> None:
    """If this fails, copy the printed rows to the page."""
    expected = [
        [f"`{name}`", "–" if setting.is_code else f"`SYNTHETIC_{name.upper()}`", _default(name, setting), setting.help]
        for name, setting in SETTINGS.items()
    ]
    assert expected == IN_PAGE, "\n".join(f"| {' | '.join(row)} |" for row in expected)


def _default(name: str, setting: Setting) -> str:
    shown = {"clock": "the system's", "internal_hosts": "names inside"}
    if name in shown:
        return shown[name]
    if isinstance(setting.default, bool):
        return f"`{str(setting.default).lower()}`"
    return f"`{setting.default}`" if setting.default else "none"


@pytest.mark.parametrize("row", [row for row in IN_PAGE if row[2].startswith("`")], ids=lambda row: row[0])
def test_the_configuration_page_states_each_default(row: list[str]) -> None:
    setting, default = _code(row[0]), _code(row[2])
    in_force: Any = getattr(active(), setting)
    if isinstance(in_force, bool):
        assert default == str(in_force).lower()
    elif isinstance(in_force, (int, float)):
        with synthetic.configured(**{setting: default}):
            assert getattr(active(), setting) == in_force
    else:
        assert default == in_force


def test_the_guards_page_has_every_action() -> None:
    assert [_code(row[0]) for row in ACTIONS] == ["not named", *(action.value for action in Action)]


def _called(given: dict[str, Any]) -> str:
    @synthetic.guard("payment", **given)
    def charge() -> str:
        return "calls the real one"

    try:
        with synthetic.simulated(run="docs"):
            result = charge()
    except synthetic.EffectRefused:
        return "raises `EffectRefused`"
    return {"calls instead": "calls `instead`", "given": "returns it", None: "returns None"}.get(result, str(result))


@pytest.mark.parametrize("row", ACTIONS, ids=lambda row: row[0])
def test_the_guards_page_says_what_a_guard_does(row: list[str], keys: dict[str, Any]) -> None:
    named = _code(row[0])
    synthetic.configure(keys=keys, policy={} if named == "not named" else {"payment": named})
    assert row[1:] == [_called({"instead": lambda: "calls instead"}), _called({"returns": "given"}), _called({})]


@pytest.mark.parametrize("command", ["keygen", "mint", "inspect", "doctor", "run", "dial"])
def test_the_page_of_the_command_line_has_every_option(command: str) -> None:
    shell_command = [str(Path(sys.executable).with_name("synthetic-traffic")), command, "--help"]
    text = subprocess.run(shell_command, capture_output=True, text=True, check=True).stdout
    options = {word.strip("[],") for word in text.split() if word.strip("[],").startswith("--")} - {"--help"}
    page = (PROJECT / "docs" / "cli.md").read_text(encoding="utf-8")
    section = page.partition(f"## {command}\n")[2].partition("\n## ")[0]
    assert {option for option in options if f"`{option}" not in section} == set()


INSTALL = 'pip install ".[{extra}]"'
"""How the pages install an extra: from a checkout, until there is a release."""


OURS = [page for page in (PROJECT / "docs" / "integrations").glob("*.md") if page.stem != "your_own"]
"""The pages of our integrations. ``your_own`` explains how to write another one and has no extra."""


@pytest.mark.parametrize("page", sorted(OURS), ids=lambda page: page.stem)
def test_every_page_of_an_integration_says_how_to_install_its_extra(page: Path) -> None:
    extra = "posthog" if page.stem == "analytics" else page.stem.replace("_", "-")  # a page for five extras
    assert extra in (metadata("synthetic-traffic").get_all("Provides-Extra") or ())
    blocks = [block.text for block in blocks_of(page) if block.language == "text"]
    assert any(text.startswith(INSTALL.format(extra=extra)) for text in blocks)
    assert "not released yet; install it from a checkout" in (PROJECT / "README.md").read_text(encoding="utf-8")


def test_every_page_is_in_the_navigation_and_no_link_is_broken() -> None:
    docs = PROJECT / "docs"
    navigation = (PROJECT / "mkdocs.yml").read_text(encoding="utf-8")
    missing = [
        str(page.relative_to(docs))
        for page in docs.rglob("*.md")
        if "examples" not in page.relative_to(docs).parts and f": {page.relative_to(docs)}\n" not in navigation
    ]
    assert missing == []
    for page in [*docs.rglob("*.md"), PROJECT / "README.md", PROJECT / "SECURITY.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(PROJECT)} links to {target}"


def test_every_public_module_has_its_page_in_the_reference() -> None:
    core = [f"synthetic.{module.name}" for module in pkgutil.iter_modules(synthetic.__path__) if module.name[0] != "_"]
    integrations = [module.name for module in pkgutil.iter_modules() if module.name.startswith("synthetic_")]
    public = {"synthetic", *core, *(name for name in integrations if not name.endswith("_shared"))}
    pages = [page for page in (PROJECT / "docs" / "reference").glob("*.md") if page.stem != "index"]
    assert {page.name.removesuffix(".md") for page in pages} == public
    index = (PROJECT / "docs" / "reference" / "index.md").read_text(encoding="utf-8")
    for page in pages:
        name = page.name.removesuffix(".md")
        assert page.read_text(encoding="utf-8") == f"# {name}\n\n::: {name}\n"
        assert f"[`{name}`]({page.name})" in index


def test_the_words_table_is_sorted_and_has_every_action_verdict_and_field() -> None:
    assert sorted(WORDS) == WORDS
    parts = inspect.signature(synthetic.Marker).parameters
    assert {*(action.value for action in Action), *parts, "real", "simulated", "unverified", "later"} <= set(WORDS)
