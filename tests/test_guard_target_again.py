"""Guarding the same target again: after a failed import, after a reload, and with other options."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import synthetic
from synthetic import guard_target, simulated
from synthetic.errors import ConfigurationError
from synthetic.ledger import recorded
from tests.support.vendor import VENDOR, Vendor, sent, vendor_on_path


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any]) -> Iterator[Vendor]:
    synthetic.configure(keys=keys)
    with vendor_on_path(tmp_path, monkeypatch) as made:
        yield made


# A wrong target beside good ones


def check_guarded_once(module: Any) -> None:
    for call in (lambda: module.send("ride"), lambda: module.Client().own("ride")):
        assert sent(module, call) == (["ride"], [])
        with recorded() as outcomes, simulated(run="rush-hour"):
            call()
        assert len(outcomes) == 1


@pytest.mark.parametrize("wrong", ["sned", "Client.sned", "Cleint.own"])
def test_a_wrong_target_fails_the_import_and_good_targets_are_guarded_later(vendor: Vendor, wrong: str) -> None:
    name = vendor.write()
    guard_target(f"{name}:send", "analytics")
    bad = guard_target(f"{name}:{wrong}", "analytics")
    guard_target(f"{name}:Client.own", "analytics")
    attribute = next(part for part in wrong.split(".") if part in ("sned", "Cleint"))
    for _ in range(2):  # while the target is wrong, no import returns a half guarded module
        with pytest.raises(
            ConfigurationError, match=rf"^cannot guard {name}:{wrong}: .*{name}.* {attribute!r}"
        ) as raised:
            vendor.imported()
        assert "partially initialized" not in str(raised.value)
        assert name not in sys.modules
    bad.undo()
    check_guarded_once(vendor.imported())


def test_a_module_referenced_before_its_import_failed_is_imported_again_and_guarded(
    vendor: Vendor,
) -> None:
    vendor.write(f"{VENDOR}\nimport sys\nsys.first_{vendor.name} = sys.modules[__name__]\n")
    guard_target(f"{vendor.name}:send", "analytics")
    guard_target(f"{vendor.name}:Client.own", "analytics")
    bad = guard_target(f"{vendor.name}:sned", "analytics")
    with pytest.raises(ConfigurationError):
        vendor.imported()
    first = getattr(sys, f"first_{vendor.name}")
    bad.undo()
    module = vendor.imported()
    delattr(sys, f"first_{vendor.name}")
    assert module is not first
    check_guarded_once(module)


def test_good_targets_in_a_package_are_guarded_after_a_failed_import(vendor: Vendor) -> None:
    package = vendor.name
    vendor.write("", path=f"{package}/__init__.py")
    vendor.write(path=f"{package}/client.py")
    guard_target(f"{package}.client:send", "analytics")
    guard_target(f"{package}.client:Client.own", "analytics")
    bad = guard_target(f"{package}.client:sned", "analytics")
    with pytest.raises(ConfigurationError, match=rf"cannot guard {package}\.client:sned: .* 'sned'"):
        vendor.imported(f"{package}.client")
    bad.undo()
    check_guarded_once(vendor.imported(f"{package}.client"))


# Reloaded modules


@pytest.mark.parametrize("path", ["send", "Client.own", "Client.of_class", "Client.capture"])
@pytest.mark.parametrize("anew", ["reloaded", "forgotten and imported"])
def test_guarding_a_reloaded_module_again_guards_the_new_function_once(vendor: Vendor, path: str, anew: str) -> None:
    name = vendor.write()
    old = vendor.imported()
    guarded = guard_target(f"{name}:{path}", "analytics")

    def call() -> Any:
        owner = module.Client() if "." in path else module
        return getattr(owner, path.rpartition(".")[2])("ride")

    for _ in range(2):
        if anew == "reloaded":
            module = importlib.reload(old)
        else:
            del sys.modules[name]
            module = vendor.imported()
        for _ in range(2):
            assert guard_target(f"{name}:{path}", "analytics") is guarded
        assert sent(module, call) == (["ride"], [])
        with recorded() as outcomes, simulated(run="rush-hour"):
            call()
        assert len(outcomes) == 1
    guarded.undo()
    assert sent(module, call) == (["ride"], ["ride"])


def test_guarding_again_after_a_reload_covers_names_imported_elsewhere(vendor: Vendor) -> None:
    name = vendor.write()
    vendor.write(f"from {name} import send as deliver", path=f"{name}_user.py")
    module = vendor.imported()
    guard_target(f"{name}:send", "analytics")
    importlib.reload(module)
    user = vendor.imported(f"{name}_user")
    guard_target(f"{name}:send", "analytics")
    assert sent(module, lambda: user.deliver("ride")) == (["ride"], [])


@pytest.mark.parametrize("is_again", [True, False], ids=["the same target", "another target"])
def test_a_module_removed_from_sys_modules_is_guarded_at_its_next_import(vendor: Vendor, is_again: bool) -> None:
    name = vendor.write()
    guard_target(f"{name}:send", "analytics")
    vendor.imported()
    del sys.modules[name]
    guard_target(f"{name}:send" if is_again else f"{name}:Client.own", "analytics")
    module = vendor.imported()
    assert sent(module, lambda: module.send("ride") if is_again else module.Client().own("ride")) == (["ride"], [])


def test_an_undone_target_can_be_guarded_again_before_the_next_import(
    vendor: Vendor,
) -> None:
    name = vendor.write()
    guard_target(f"{name}:send", "analytics").undo()
    vendor.imported()
    guard_target(f"{name}:send", "analytics").undo()
    del sys.modules[name]
    guard_target(f"{name}:send", "analytics")
    module = vendor.imported()
    assert sent(module, lambda: module.send("ride")) == (["ride"], [])


# Other options


def fake(event: str) -> str:
    return f"fake {event}"


def other_fake(event: str) -> str:
    return f"other {event}"


TERMS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"instead": fake}),
    ({}, {"returns": None}),
    ({"instead": fake}, {}),
    ({"instead": fake}, {"instead": other_fake}),
    ({"instead": fake}, {"returns": 1}),
    ({"returns": 1}, {"returns": 2}),
    ({"returns": None}, {}),
]


@pytest.mark.parametrize("is_imported", [False, True], ids=["imported later", "imported already"])
@pytest.mark.parametrize(("first", "second"), TERMS)
def test_changing_instead_or_returns_of_a_guarded_target_raises(
    vendor: Vendor, first: dict[str, Any], second: dict[str, Any], is_imported: bool
) -> None:
    name = vendor.write()
    if is_imported:
        vendor.imported()
    guarded = guard_target(f"{name}:send", "analytics", **first)
    with pytest.raises(ConfigurationError, match=rf"{name}:send is already guarded .*undo\(\)"):
        guard_target(f"{name}:send", "analytics", **second)
    assert guard_target(f"{name}:send", "analytics", **first) is guarded
    module = vendor.imported()
    with simulated(run="rush-hour"):
        assert module.send("ride") == (fake("ride") if "instead" in first else first.get("returns"))
    guarded.undo()
    guard_target(f"{name}:send", "analytics", **second)
    with simulated(run="rush-hour"):
        assert module.send("ride") == (second["instead"]("ride") if "instead" in second else second.get("returns"))


# Names that cannot be replaced


class Frozen(ModuleType):
    """A module whose names cannot be set."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} cannot be set")


def test_a_name_that_cannot_be_replaced_undoes_the_whole_guard(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    name = vendor.write()
    vendor.write(f"from {name} import send as deliver", path=f"{name}_user.py")
    module, user = vendor.imported(), vendor.imported(f"{name}_user")
    original = module.send
    frozen = Frozen(f"{name}_frozen")
    frozen.__dict__["send"] = original
    monkeypatch.setitem(sys.modules, frozen.__name__, frozen)
    with pytest.raises((ConfigurationError, AttributeError), match="send"):
        guard_target(f"{name}:send", "analytics")
    assert module.send is user.deliver is frozen.send is original
    assert sent(module, lambda: user.deliver("ride")) == (["ride"], ["ride"])
    # Nothing of the failed guard is left: another one can be put on.
    monkeypatch.delitem(sys.modules, frozen.__name__)
    guarded = guard_target(f"{name}:send", "notification", returns="fake")
    with simulated(run="rush-hour"):
        assert module.send("ride") == user.deliver("ride") == "fake"
    guarded.undo()
    assert module.send is user.deliver is original


# Attributes of a class that do not bind

UNBOUND = """
import functools
import time
calls = []

def record(*arguments):
    calls.append(arguments)
    return arguments

class Callable:
    def __call__(self, *arguments):
        return record(*arguments)

class Client:
    now = time.time
    partial = staticmethod(functools.partial(record, "first"))
    bare_partial = functools.partial(record, "first")
    built_in = calls.append
    called = Callable()
"""


@pytest.mark.filterwarnings("ignore:functools.partial will be a method descriptor:FutureWarning")
@pytest.mark.parametrize("attribute", ["now", "partial", "bare_partial", "built_in", "called"])
def test_a_guarded_class_attribute_is_called_with_the_same_arguments(vendor: Vendor, attribute: str) -> None:
    name = vendor.write(UNBOUND)
    module = vendor.imported()
    arguments = [] if attribute == "now" else [7]
    owners = (module.Client, module.Client())
    before = [type(getattr(owner, attribute)(*arguments)) for owner in owners]
    given = list(module.calls)
    module.calls.clear()
    guarded = guard_target(f"{name}:Client.{attribute}", "analytics", returns="skipped")
    assert [type(getattr(owner, attribute)(*arguments)) for owner in owners] == before
    assert module.calls == given
    module.calls.clear()
    with simulated(run="rush-hour"):
        assert [getattr(owner, attribute)(*arguments) for owner in owners] == ["skipped"] * 2
    assert module.calls == []
    guarded.undo()
    with simulated(run="rush-hour"):
        assert [type(getattr(owner, attribute)(*arguments)) for owner in owners] == before
