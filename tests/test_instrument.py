"""``instrument``: installed integrations, found by entry point."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import requests

import synthetic
from synthetic._instrument import GROUP
from synthetic.errors import ConfigurationError
from tests.support.clients import run_script

ORIGINAL = requests.Session.get_adapter


def test_the_integrations_of_this_distribution_are_entry_points() -> None:
    assert "requests" in {point.name for point in entry_points(group=GROUP)}


def test_without_names_everything_installed_is_instrumented_and_undone() -> None:
    try:
        assert "requests" in synthetic.instrument()
        assert requests.Session.get_adapter is not ORIGINAL
    finally:
        assert synthetic.uninstrument() == ()
    assert requests.Session.get_adapter is ORIGINAL


def test_an_unknown_name_is_an_error_that_lists_the_known_ones_and_nothing_is_patched() -> None:
    with pytest.raises(ConfigurationError, match=r"no integration 'request'.*requests"):
        synthetic.instrument("requests", "request")
    assert requests.Session.get_adapter is ORIGINAL


def test_undoing_what_is_not_instrumented_is_no_error() -> None:
    assert synthetic.uninstrument("requests", "unheard-of") == ()


# What others offer

ANOTHER = """
class Integration:
    calls = []

    def instrument(self):
        self.calls.append("instrument")

    def uninstrument(self):
        self.calls.append("uninstrument")

integration = Integration()
"""

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import synthetic
print(*[name for name in synthetic.instrument() if name in ("another", "absent", "requests")])
synthetic.instrument("another")
synthetic.instrument()
import another
print(*another.integration.calls)
print(*synthetic.uninstrument("another"))
synthetic.uninstrument("another")
print(*another.integration.calls)
synthetic.instrument("another")
print(*another.integration.calls)
try:
    synthetic.instrument("absent")
except synthetic.errors.ConfigurationError as error:
    print(error)
"""


def add_distribution(folder: Path, name: str, module: str, source: str) -> None:
    """Install a distribution with one integration, as pip lays it out."""
    folder.joinpath(f"{module}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text(f"[{GROUP}]\n{name} = {module}:integration\n")


def test_an_integration_of_another_distribution_is_found_once_and_an_absent_product_only_matters_when_named(
    tmp_path: Path,
) -> None:
    add_distribution(tmp_path, "another", "another", ANOTHER)
    add_distribution(tmp_path, "absent", "absent", "import a_product_that_nobody_has_installed\n")
    found, once, left, undone, again, missing = run_script(SCRIPT, str(tmp_path)).splitlines()
    assert found == "another requests"
    assert once == "instrument"
    assert left == "requests"
    assert undone == "instrument uninstrument"
    assert again == "instrument uninstrument instrument"
    assert "a_product_that_nobody_has_installed" in missing
    assert 'pip install "synthetic-traffic[absent]"' in missing


LAZY = """
import sys
import synthetic
print([name for name in ("requests", "starlette", "jwt", "opentelemetry.sdk") if name in sys.modules])
synthetic.instrument("requests")
print("requests" in sys.modules)
"""


def test_a_product_is_imported_when_it_is_instrumented_and_not_before(keys: dict[str, Any]) -> None:
    assert run_script(LAZY, keys=keys).splitlines() == ["[]", "True"]
