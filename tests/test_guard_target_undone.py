"""Guards on other modules that fail, that are repeated, and that are undone."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic import guard_target, simulated
from synthetic.errors import ConfigurationError
from synthetic.ledger import recorded
from tests.support.vendor import Vendor, sent, vendor_on_path


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any]) -> Iterator[Vendor]:
    synthetic.configure(keys=keys)
    with vendor_on_path(tmp_path, monkeypatch) as made:
        yield made


def test_a_missing_module_is_an_error_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot guard no_such\.module:send: there is no module"):
        guard_target("no_such.module:send", "analytics")
    with pytest.raises(ConfigurationError, match=r"there is no module 'json\.no_such'; is it installed\?"):
        guard_target("json.no_such:send", "analytics")


def test_a_missing_attribute_is_an_error_at_once_or_at_the_import(vendor: Vendor) -> None:
    vendor.write()
    guard_target(f"{vendor.name}:Client.sned", "analytics")
    with pytest.raises(ConfigurationError, match=r":Client\.sned: .*has no attribute 'sned'"):
        vendor.imported()
    other = Vendor(vendor.folder)
    other.name = f"{vendor.name}_other"
    other.write()
    other.imported()
    with pytest.raises(ConfigurationError, match=r":sned: the module .* has no attribute 'sned'"):
        guard_target(f"{other.name}:sned", "analytics")


@pytest.mark.parametrize("target", ["json", "json:", ":dump", "json.dump", ""])
def test_a_target_without_a_module_or_a_name_is_an_error(target: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is not a target; one that works: 'package\.module:Class\.method'"):
        guard_target(target, "analytics")


@pytest.mark.parametrize("path", ["Client", "Client.name", "calls"])
def test_guarding_a_class_or_a_value_raises(vendor: Vendor, path: str) -> None:
    vendor.write()
    vendor.imported()
    with pytest.raises((ConfigurationError, TypeError), match="functions and methods"):
        guard_target(f"{vendor.name}:{path}", "analytics")


def test_guarding_twice_guards_once(vendor: Vendor) -> None:
    vendor.write()
    guarded = guard_target(f"{vendor.name}:send", "analytics")
    assert guard_target(f"{vendor.name}:send", "analytics") is guarded
    module = vendor.imported()
    assert guard_target(f"{vendor.name}:send", "analytics") is guarded
    with recorded() as outcomes, simulated(run="rush-hour"):
        module.send("ride")
    assert len(outcomes) == 1


def test_another_effect_for_the_same_target_is_an_error_until_the_first_is_undone(vendor: Vendor) -> None:
    vendor.write()
    guarded = guard_target(f"{vendor.name}:send", "analytics")
    with pytest.raises(ConfigurationError, match=r"is already guarded for the effect 'analytics'.* undo\(\)"):
        guard_target(f"{vendor.name}:send", "payment")
    guarded.undo()
    guard_target(f"{vendor.name}:send", "payment")
    module = vendor.imported()
    with recorded() as outcomes, simulated(run="rush-hour"):
        module.send("ride")
    assert [outcome.effect for outcome in outcomes] == ["payment"]


def test_a_guard_undone_before_the_import_never_takes_effect(vendor: Vendor) -> None:
    vendor.write()
    guarded = guard_target(f"{vendor.name}:send", "analytics")
    guarded.undo()
    guarded.undo()
    module = vendor.imported()
    assert sent(module, lambda: module.send("ride")) == (["ride"], ["ride"])
    assert repr(guarded) == f"<guard 'analytics' on {vendor.name}:send: undone>"


def test_undo_restores_the_original_attributes(vendor: Vendor) -> None:
    vendor.write()
    module = vendor.imported()
    before = {path: inspect.getattr_static(module.Client, path) for path in ("own", "of_class", "static")}
    guards = [guard_target(f"{vendor.name}:Client.{path}", "analytics") for path in before]
    assert all(inspect.getattr_static(module.Client, path) is not value for path, value in before.items())
    for guarded in guards:
        guarded.undo()
    assert all(inspect.getattr_static(module.Client, path) is value for path, value in before.items())


def test_undo_keeps_a_wrapper_added_by_other_code(vendor: Vendor) -> None:
    vendor.write()
    module = vendor.imported()
    guarded = guard_target(f"{vendor.name}:send", "analytics")
    inner = module.send
    log: list[str] = []

    def traced(event: str) -> Any:
        log.append(event)
        return inner(event)

    module.send = traced
    guarded.undo()
    assert module.send is traced
    module.send("ride")
    assert log == module.calls == ["ride"]


def test_an_undone_guard_under_another_patch_no_longer_guards(vendor: Vendor) -> None:
    vendor.write()
    module = vendor.imported()
    guarded = guard_target(f"{vendor.name}:send", "analytics")
    inner = module.send
    module.send = lambda event: inner(event)
    guarded.undo()
    assert sent(module, lambda: module.send("ride")) == (["ride"], ["ride"])
