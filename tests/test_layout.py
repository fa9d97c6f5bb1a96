"""The layout of the project: import contracts, references to the documentation, and paths in pickles."""

from __future__ import annotations

import pickle
import pickletools
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic._model.reason import Reason
from synthetic._model.verdict import REAL, Unverified
from synthetic._work.jobs import job_of
from synthetic._work.state import current_verdict

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).parent.parent
PRIVATE = sorted(f"synthetic.{folder.name}" for folder in (PROJECT / "synthetic").glob("_*/") if folder.name[1] != "_")
INTEGRATIONS = sorted(folder.name for folder in (PROJECT / "integrations").glob("synthetic_*/"))
SOURCES = [
    path
    for folder in ("synthetic", "integrations", "tests")
    for path in sorted((PROJECT / folder).rglob("*.py"))
    if path != Path(__file__)
]


def contracts() -> Any:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]


def test_the_import_contracts_name_every_package() -> None:
    layers, public = contracts()["contracts"]
    assert layers["exhaustive"] is True
    assert contracts()["root_packages"] == ["synthetic", *INTEGRATIONS]
    assert public["source_modules"] == INTEGRATIONS
    assert public["forbidden_modules"] == PRIVATE


@pytest.mark.parametrize("package", PRIVATE)
def test_each_private_package_has_a_docstring_of_one_sentence(package: str) -> None:
    text = (PROJECT / package.replace(".", "/") / "__init__.py").read_text()
    assert re.fullmatch(r'"""[^\n]+\."""\n', text), "one line, and nothing else"


def test_each_reference_to_the_protocol_names_an_existing_heading() -> None:
    headings = re.findall(r"^##+ (.*)$", (PROJECT / "docs" / "protocol.md").read_text(), re.MULTILINE)
    named = [
        (heading, path.name)
        for path in SOURCES
        for reference in re.findall(r'docs/protocol\.md((?:(?:,| and) "[^"\n]+")+)', path.read_text())
        for heading in re.findall(r'"([^"\n]+)"', reference)
    ]
    assert len(named) >= 7
    assert [one for one in named if one[0] not in headings] == []
    assert [path.name for path in SOURCES if re.search(r"\bPROTOCOL\b(?!_)", path.read_text())] == []


def modules_in(pickled: bytes) -> set[str]:
    found: set[str] = set()
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "GLOBAL":
            found.add(str(argument).replace(" ", ":"))
        elif opcode.name == "STACK_GLOBAL":
            found.add(":".join(strings[-2:]))
        if isinstance(argument, str):
            strings.append(argument)
    return found


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_the_import_paths_in_pickles_never_change(keys: dict[str, Any], protocol: int) -> None:
    """A verdict or a job may be unpickled by a process that runs another version. These paths are its format."""
    with synthetic.configured(keys=keys), synthetic.simulated(run="rush-hour"):
        simulated = current_verdict()
        assert simulated is not None
        carried = synthetic.carry(len)
        job = job_of(len)
        names = {"synthetic._model.marker:Marker", "synthetic._model.verdict:Received"}
        assert names <= modules_in(pickle.dumps(simulated, protocol))
        for one, name in ((carried, "CarriedByHand"), (job, "Carried")):
            assert f"synthetic._work.carry:{name}" in modules_in(pickle.dumps(one, protocol))
    assert modules_in(pickle.dumps(REAL, protocol)) == {"synthetic._model.verdict:REAL"}
    assert modules_in(pickle.dumps(Unverified(Reason.EXPIRED), protocol)) >= {
        "synthetic._model.verdict:Unverified",
        "synthetic._model.reason:Reason",
    }
