"""``instrument``: installed integrations, found by entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import entry_points, metadata
from pathlib import Path
from typing import Any

import pytest
import requests

import synthetic
import synthetic_requests
from synthetic import simulated
from synthetic._instrument.instrument import GROUP, PRODUCTS
from synthetic.errors import ConfigurationError
from tests.support.clients import run_script

ORIGINAL = requests.Session.get_adapter


def test_the_integrations_of_this_distribution_are_entry_points() -> None:
    assert "requests" in names_of_integrations()


def test_calls_without_names_instrument_and_undo_everything_installed() -> None:
    try:
        assert "requests" in synthetic.instrument()
        assert requests.Session.get_adapter is not ORIGINAL
    finally:
        assert synthetic.uninstrument() == ()
    assert requests.Session.get_adapter is ORIGINAL


def test_an_unknown_name_raises_lists_the_known_names_and_patches_nothing() -> None:
    with pytest.raises(ConfigurationError, match=r"no integration 'request'.*requests"):
        synthetic.instrument("requests", "request")
    assert requests.Session.get_adapter is ORIGINAL


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("request", "did you mean 'requests'"),
        ("Requests", "did you mean 'requests'"),
        ("grpcio", "did you mean 'grpc'? the integrations are"),
        ("nats-py", "did you mean 'nats'"),
        ("fast-api", "did you mean 'fastapi'"),
        ("fastapi", "Use synthetic_starlette.install(app)"),
        ("django", "Use synthetic_django.SyntheticTrafficMiddleware"),
        ("awslambda", "Use the module synthetic_awslambda"),
        ("tornado", "'tornado' has no integration of its own: send synthetic.headers()"),
        ("unheard-of", "there is no integration 'unheard-of'; the integrations are aio-pika"),
    ],
)
def test_the_error_for_an_unknown_name_says_what_to_do(name: str, advice: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        synthetic.instrument(name)
    assert advice in str(caught.value)


def test_every_extra_can_be_instrumented_or_its_error_names_the_alternative() -> None:
    extras = set(metadata("synthetic-traffic").get_all("Provides-Extra") or ()) - {"eddsa", "instruments"}
    assert {"fastapi", "awslambda"} < extras - names_of_integrations()
    for name in extras - names_of_integrations():
        with pytest.raises(ConfigurationError, match=r"is not patched; instrument\(\) does not apply\. Use "):
            synthetic.instrument(name)


def test_a_name_may_have_an_underscore_for_a_hyphen() -> None:
    try:
        assert synthetic.instrument("http_client") == ("http-client",)
        assert synthetic.uninstrument("http_client") == ()
    finally:
        synthetic.uninstrument()


def test_uninstrument_does_nothing_when_not_instrumented() -> None:
    assert synthetic.uninstrument("requests") == ()
    assert requests.Session.get_adapter is ORIGINAL


def test_uninstrument_with_an_unknown_name_raises_and_undoes_nothing(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    synthetic.instrument("requests")
    try:
        with pytest.raises(ConfigurationError, match=r"no integration 'unheard-of'.*requests"):
            synthetic.uninstrument("requests", "unheard-of")
        assert carries()
    finally:
        synthetic.uninstrument()
    assert requests.Session.get_adapter is ORIGINAL


# Patches changed by other code


def names_of_integrations() -> set[str]:
    return {point.name for point in entry_points(group=GROUP)}


def carries() -> bool:
    """Whether a simulated call to a host that does not take part is refused before it leaves."""
    with simulated(run="rush-hour"), requests.Session() as session:
        try:
            session.get("http://api.example.com/", proxies={"http": "http://127.0.0.1:9"}, timeout=1)
        except synthetic_requests.ExternalRequestRefused:
            return True
        except requests.exceptions.ProxyError:
            return False
    raise AssertionError("the call was answered")


@pytest.fixture
def restored(keys: dict[str, Any]) -> Iterator[None]:
    synthetic.configure(keys=keys)
    assert not carries()
    yield
    synthetic_requests.integration.uninstrument()
    synthetic.uninstrument()
    requests.Session.get_adapter = ORIGINAL  # type: ignore[method-assign]


def uninstrumented() -> None:
    synthetic_requests.integration.uninstrument()


def adapter_restored() -> None:
    requests.Session.get_adapter = ORIGINAL  # type: ignore[method-assign]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("names", [(), ("requests",)])
@pytest.mark.parametrize("taken_off", [uninstrumented, adapter_restored])
def test_instrument_restores_a_patch_that_other_code_removed(
    taken_off: Callable[[], None], names: tuple[str, ...]
) -> None:
    others = [name for name in names_of_integrations() if name != "requests"]
    for _ in range(2):
        assert "requests" in synthetic.instrument(*names)
        synthetic.uninstrument(*others)  # the libraries below requests carry the marker, too
        assert carries()
        taken_off()
        assert carries() is (taken_off is adapter_restored), "the classes of adapters in use stay covered"
    assert "requests" in synthetic.instrument(*names)
    synthetic.uninstrument(*others)
    assert carries()
    synthetic.uninstrument("requests")
    assert not carries()
    assert requests.Session.get_adapter is ORIGINAL


@pytest.mark.usefixtures("restored")
def test_uninstrument_by_name_removes_a_patch_that_the_integration_applied() -> None:
    synthetic_requests.integration.instrument()
    assert carries()
    assert synthetic.uninstrument("requests") == ()
    assert not carries()
    assert requests.Session.get_adapter is ORIGINAL


@pytest.mark.usefixtures("restored")
def test_repeated_instrumenting_wraps_once() -> None:
    synthetic.instrument("requests")
    wrapped = requests.Session.get_adapter
    synthetic.instrument()
    synthetic.uninstrument(*(names_of_integrations() - {"requests"}))
    synthetic_requests.integration.instrument()
    synthetic.instrument("requests")
    assert requests.Session.get_adapter is wrapped
    synthetic.uninstrument("requests")
    assert requests.Session.get_adapter is ORIGINAL


# Products that are not imported yet

NOT_IMPORTED = """
import sys
import synthetic
assert "synthetic_requests" not in sys.modules and "requests" not in sys.modules
print("requests" in synthetic.instrument(), "requests" in sys.modules)
import requests
print(hasattr(requests.Session.get_adapter, "__wrapped__"), "requests" in synthetic.instrument())
print("requests" in synthetic.uninstrument(), hasattr(requests.Session.get_adapter, "__wrapped__"))
"""

LAZY_AND_UNDONE = """
import synthetic
synthetic.instrument()
synthetic.uninstrument()
import requests
print(hasattr(requests.Session.get_adapter, "__wrapped__"))
synthetic.instrument()
print(hasattr(requests.Session.get_adapter, "__wrapped__"))
"""

LAZY_AND_BROKEN = """
import sys
import synthetic
synthetic.instrument()
sys.modules["synthetic_requests"] = None
import requests
print(requests.get is not None, "requests" in synthetic.instrument())
"""


def test_a_product_that_is_imported_later_is_instrumented_then() -> None:
    assert run_script(NOT_IMPORTED).splitlines() == ["True False", "True True", "False False"]


def test_a_product_uninstrumented_before_its_import_stays_unpatched() -> None:
    assert run_script(LAZY_AND_UNDONE).splitlines() == ["False", "True"]


@pytest.mark.parametrize("name", sorted(point.name for point in entry_points(group=PRODUCTS)))
def test_a_product_that_its_integration_is_the_first_to_import_is_instrumented(name: str) -> None:
    """For example for its error: ``from synthetic_requests import ExternalRequestRefused``."""
    product = {point.name: point.value for point in entry_points(group=PRODUCTS)}[name]
    pytest.importorskip(product.partition(".")[0])
    package = {point.name: point.module for point in entry_points(group=GROUP)}[name]
    assert run_script(FIRST, package, product, name) == "True\n"


FIRST = """
import importlib, logging, os, sys
os.environ["EVENTLET_TESTS"] = "1"
logging.raiseExceptions = True
package, product, name = sys.argv[1:]
import synthetic
from synthetic._instrument import instrument
failed = []
instrument._log.exception = lambda *args: failed.append(args)
synthetic.instrument()
importlib.import_module(package)
importlib.import_module(product)
assert not failed, failed
print(name in instrument.INSTRUMENTED and name not in instrument._awaited)
"""


def test_a_failing_integration_does_not_break_the_import_of_its_product() -> None:
    assert run_script(LAZY_AND_BROKEN).splitlines() == ["True False"]


def test_every_product_entry_point_has_an_integration() -> None:
    assert {point.name for point in entry_points(group=PRODUCTS)} <= names_of_integrations()


def test_an_unusable_integration_is_reported_and_the_others_are_instrumented(
    tmp_path: Path,
) -> None:
    add_distribution(tmp_path, "misfit", "misfit", "integration = object()")
    wanted, rest = run_script(MISFIT, str(tmp_path)).splitlines()
    assert "'misfit' cannot be instrumented" in wanted
    assert rest == "False True"


MISFIT = """
import sys
sys.path.insert(0, sys.argv[1])
import synthetic, requests
try:
    synthetic.instrument("misfit")
except synthetic.errors.ConfigurationError as error:
    print(error)
names = synthetic.instrument()
print("misfit" in names, "requests" in names)
"""


MOVED = """
import sys
import synthetic
import requests
sys.modules["requests.adapters"] = None
try:
    synthetic.instrument("requests")
except synthetic.errors.ConfigurationError as error:
    print(error)
import logging
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s", level=logging.INFO)
print("requests" in synthetic.instrument())
"""


def test_a_product_without_the_patched_module_is_an_error_and_not_absent() -> None:
    wanted, *logged, found = run_script(MOVED).splitlines()
    assert wanted.startswith("'requests' cannot be instrumented: ModuleNotFoundError(")
    assert "requests.adapters" in wanted
    assert wanted.endswith("synthetic-traffic doctor lists the tested versions.")
    assert "pip install" not in wanted
    assert logged[0] == "ERROR requests cannot be instrumented, so it carries no marker"
    assert found == "False"


# Integrations of other distributions

ANOTHER = """
class Integration:
    changes = []

    def instrument(self):
        if self.changes[-1:] != ["on"]:
            self.changes.append("on")

    def uninstrument(self):
        if self.changes[-1:] == ["on"]:
            self.changes.append("off")

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
print(*another.integration.changes)
print(*synthetic.uninstrument("another"))
synthetic.uninstrument("another")
print(*another.integration.changes)
synthetic.instrument("another")
print(*another.integration.changes)
another.integration.uninstrument()
synthetic.instrument()
print(*another.integration.changes)
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


def test_integrations_of_other_distributions_are_found_and_absent_products_are_skipped(
    tmp_path: Path,
) -> None:
    add_distribution(tmp_path, "another", "another", ANOTHER)
    add_distribution(tmp_path, "absent", "absent", "import a_product_that_nobody_has_installed\n")
    found, once, left, undone, again, anew, missing = run_script(SCRIPT, str(tmp_path)).splitlines()
    assert found == "another requests"
    assert once == "on"
    assert "requests" in left.split()
    assert "another" not in left.split()
    assert undone == "on off"
    assert again == "on off on"
    assert anew == "on off on off on"
    assert "a_product_that_nobody_has_installed" in missing
    assert missing.endswith("Install what the distribution 'absent' needs.")


TWICE = """
import sys
sys.path.insert(0, sys.argv[1])
import synthetic
for names in ((), ("requests",)):
    try:
        synthetic.instrument(*names)
    except synthetic.errors.ConfigurationError as error:
        print(error)
"""


def test_another_distribution_cannot_replace_an_integration(tmp_path: Path) -> None:
    add_distribution(tmp_path, "requests", "impostor", ANOTHER)
    told = run_script(TWICE, str(tmp_path)).splitlines()
    assert (
        told
        == ["two distributions have an integration 'requests': requests and synthetic-traffic. Uninstall one of them."]
        * 2
    )


ABSENT = """
import sys
sys.path.insert(0, sys.argv[1])
import synthetic
print(synthetic.uninstrument("absent"))
"""


def test_uninstrument_ignores_a_product_that_is_not_installed(tmp_path: Path) -> None:
    add_distribution(tmp_path, "absent", "absent", "import a_product_that_nobody_has_installed\n")
    assert run_script(ABSENT, str(tmp_path)) == "()\n"


LAZY = """
import sys
import synthetic
print([name for name in ("requests", "starlette", "jwt", "opentelemetry.sdk") if name in sys.modules])
synthetic.instrument("requests")
print("requests" in sys.modules)
"""


def test_a_product_is_not_imported_before_it_is_instrumented(keys: dict[str, Any]) -> None:
    assert run_script(LAZY, keys=keys).splitlines() == ["[]", "True"]
