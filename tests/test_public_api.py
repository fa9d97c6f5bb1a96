"""The public names. Each of them has documentation."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import pytest

import synthetic
import synthetic_locust.testing  # noqa: F401 - before Locust itself: it keeps that from patching the process
from synthetic._config.settings import SETTINGS

NAMES = [
    "EffectRefused",
    "Marker",
    "MessageRefused",
    "UnverifiedMarker",
    "admitted",
    "allows",
    "carry",
    "carry_queue",
    "configure",
    "configured",
    "current",
    "guard",
    "guard_target",
    "headers",
    "instrument",
    "is_synthetic",
    "real",
    "simulated",
    "uninstrument",
]

PUBLIC = [
    "synthetic",
    "synthetic.asgi",
    "synthetic.errors",
    "synthetic.ids",
    "synthetic.integration",
    "synthetic.ledger",
    "synthetic.telemetry",
    "synthetic.wsgi",
    "synthetic.propagation",
    "synthetic.testing",
]
INTEGRATIONS = sorted(
    module.name
    for module in pkgutil.iter_modules()
    if module.name.startswith("synthetic_") and not module.name.endswith("_shared")
)


def exported() -> list[tuple[str, Any]]:
    modules = [importlib.import_module(name) for name in PUBLIC + INTEGRATIONS]
    return [(f"{module.__name__}.{name}", getattr(module, name)) for module in modules for name in module.__all__]


def members() -> list[tuple[str, Any]]:
    """The public methods and properties that our exported classes add to the classes of other libraries."""
    found = []
    for path, value in exported():
        if inspect.isclass(value):
            ours = [cls for cls in value.__mro__ if cls.__module__.startswith("synthetic")]
            theirs = {name for cls in value.__mro__ if cls not in ours for name in vars(cls)}
            own = [(name, member) for cls in ours for name, member in vars(cls).items() if name not in theirs]
            found += [(f"{path}.{name}", member) for name, member in own if not name.startswith("_")]
    return [(path, member) for path, member in found if callable(member) or isinstance(member, property)]


def test_the_public_names_match_the_list() -> None:
    assert synthetic.__all__ == NAMES


@pytest.mark.parametrize("module", PUBLIC + INTEGRATIONS)
def test_each_public_module_defines_every_name_it_lists(module: str) -> None:
    found = importlib.import_module(module)
    assert found.__all__ == sorted(found.__all__, key=lambda name: (not name.isupper(), name.islower(), name))
    assert [name for name in found.__all__ if not hasattr(found, name)] == []
    assert found.__doc__


@pytest.mark.parametrize(("path", "value"), exported(), ids=[path for path, _ in exported()])
def test_each_public_name_is_explained(path: str, value: Any) -> None:
    if inspect.isclass(value) or inspect.isroutine(value):
        assert inspect.getdoc(value), path
        assert inspect.getdoc(value) != inspect.getdoc(type(value).__mro__[-1]), path


def test_each_public_method_is_explained() -> None:
    assert members()
    assert [path for path, member in members() if not inspect.getdoc(member)] == []


def test_each_setting_is_an_argument_and_is_explained() -> None:
    assert [name for name, setting in SETTINGS.items() if not setting.help] == []
    for replace in (synthetic.configure, synthetic.configured):
        (arguments,) = inspect.signature(replace).parameters.values()
        assert (arguments.kind, arguments.annotation) == (inspect.Parameter.VAR_KEYWORD, "Unpack[Settings]")
        assert "settings" in (inspect.getdoc(replace) or "")


def test_all_errors_share_one_base_and_are_in_the_module_docstring() -> None:
    from synthetic import errors

    classes = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(each, errors.SyntheticTrafficError) for each in classes)
    assert [name for name in errors.__all__ if name not in (errors.__doc__ or "")] == []
    assert synthetic.EffectRefused is errors.EffectRefused
    assert synthetic.UnverifiedMarker is errors.UnverifiedMarker
    assert issubclass(errors.ConfigurationError, ValueError)


def test_a_marker_is_compared_and_hashed_by_value_and_cannot_be_changed() -> None:
    marker = synthetic.Marker("rush-hour", "load", "rider-7", "book")
    assert marker == synthetic.Marker(run="rush-hour", kind="load", actor="rider-7", scenario="book")
    assert len({marker, synthetic.Marker("rush-hour", "load", "rider-7", "book")}) == 1
    with pytest.raises(AttributeError):
        marker.run = "other"  # type: ignore[misc]
