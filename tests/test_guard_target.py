"""Guards on functions of other modules, imported already or later."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
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


def test_a_target_is_guarded_when_its_module_is_imported(vendor: Vendor) -> None:
    name = vendor.write()
    guarded = guard_target(f"{name}:send", "analytics")
    assert name not in sys.modules
    assert repr(guarded) == f"<guard 'analytics' on {name}:send: not imported yet>"
    module = vendor.imported()
    assert sent(module, lambda: module.send("ride")) == (["ride"], [])
    assert repr(guarded) == f"<guard 'analytics' on {name}:send: guarded>"


def test_a_target_in_an_imported_module_is_guarded_at_once(vendor: Vendor) -> None:
    vendor.write()
    module = vendor.imported()
    guard_target(f"{vendor.name}:send", "analytics")
    assert sent(module, lambda: module.send("ride")) == (["ride"], [])
    assert (module.send.__name__, module.send.__doc__) == ("send", "Send an event.")


def test_names_already_imported_elsewhere_are_guarded_too(vendor: Vendor) -> None:
    vendor.write()
    vendor.write(f"from {vendor.name} import send as deliver", path=f"{vendor.name}_user.py")
    module, user = vendor.imported(), vendor.imported(f"{vendor.name}_user")
    guarded = guard_target(f"{vendor.name}:send", "analytics")
    assert sent(module, lambda: user.deliver("ride")) == (["ride"], [])
    guarded.undo()
    assert user.deliver is module.send
    assert sent(module, lambda: user.deliver("ride")) == (["ride"], ["ride"])


def test_names_imported_elsewhere_later_are_guarded_too(vendor: Vendor) -> None:
    vendor.write()
    vendor.write(f"from {vendor.name} import send as deliver", path=f"{vendor.name}_user.py")
    guard_target(f"{vendor.name}:send", "analytics")
    user, module = vendor.imported(f"{vendor.name}_user"), vendor.imported()
    assert sent(module, lambda: user.deliver("ride")) == (["ride"], [])


METHODS: list[tuple[str, Callable[[Any], Any]]] = [
    ("Client.own", lambda module: module.Client().own("ride")),
    ("Client.own", lambda module: module.Client.own(module.Client(), "ride")),
    ("Client.capture", lambda module: module.Client().capture("ride")),
    ("Base.capture", lambda module: module.Client().capture("ride")),
    ("Client.of_class", lambda module: module.Client.of_class("ride")),
    ("Client.of_class", lambda module: module.Client().of_class("ride")),
    ("Client.static", lambda module: module.Client.static("ride")),
    ("Client.static", lambda module: module.Client().static("ride")),
    ("Client.Nested.deep", lambda module: module.Client.Nested().deep("ride")),
]


@pytest.mark.parametrize("is_imported", [False, True], ids=["imported later", "imported already"])
@pytest.mark.parametrize(("path", "call"), METHODS, ids=[path for path, _ in METHODS])
def test_methods_of_every_kind_are_guarded(vendor: Vendor, path: str, call: Any, is_imported: bool) -> None:
    vendor.write()
    if is_imported:
        vendor.imported()
    guarded = guard_target(f"{vendor.name}:{path}", "analytics")
    module = vendor.imported()
    before = call(module)
    assert sent(module, lambda: call(module)) == (["ride"], [])
    guarded.undo()
    assert sent(module, lambda: call(module)) == (["ride"], ["ride"])
    assert call(module) == before


def test_a_class_method_still_gets_its_class(vendor: Vendor) -> None:
    vendor.write()
    guard_target(f"{vendor.name}:Client.of_class", "analytics")
    module = vendor.imported()
    subclass = type("Other", (module.Client,), {"name": "other"})
    assert subclass.of_class("ride") == ("other", "ride")
    with simulated(run="rush-hour"):
        assert subclass.of_class("ride") is None


def test_guarding_an_inherited_method_leaves_the_base_class_alone(vendor: Vendor) -> None:
    vendor.write()
    module = vendor.imported()
    guarded = guard_target(f"{vendor.name}:Client.capture", "analytics")
    assert sent(module, lambda: module.Base().capture("ride")) == (["ride"], ["ride"])
    guarded.undo()
    assert "capture" not in vars(module.Client)


def test_a_coroutine_function_stays_one(vendor: Vendor) -> None:
    vendor.write()
    guard_target(f"{vendor.name}:send_later", "analytics")
    module = vendor.imported()
    assert inspect.iscoroutinefunction(module.send_later)
    assert sent(module, lambda: asyncio.run(module.send_later("ride"))) == (["ride"], [])


def test_instead_and_returns_work_as_in_guard(vendor: Vendor) -> None:
    vendor.write()
    guard_target(f"{vendor.name}:send", "analytics", instead=lambda event: f"fake {event}")
    guard_target(f"{vendor.name}:Client.own", "analytics", returns="nothing")
    module = vendor.imported()
    with recorded() as outcomes, simulated(run="rush-hour"):
        assert module.send("ride") == "fake ride"
        assert module.Client().own("ride") == "nothing"
    assert [outcome.target for outcome in outcomes] == [f"{vendor.name}:send", f"{vendor.name}:Client.own"]
    with pytest.raises(TypeError, match="exclude each other"):
        guard_target(f"{vendor.name}:Base.capture", "analytics", instead=print, returns=1)


def test_a_c_function_can_be_guarded(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    import math

    original = math.gcd
    guarded = guard_target("math:gcd", "analytics")
    try:
        assert math.gcd(12, 18) == 6
        with simulated(run="rush-hour"):
            assert math.gcd(12, 18) is None  # type: ignore[comparison-overlap]
    finally:
        guarded.undo()
    assert math.gcd is original


def test_a_c_method_reached_through_a_python_class_can_be_guarded(vendor: Vendor) -> None:
    vendor.write("class Items(list):\n    pass\n")
    guarded = guard_target(f"{vendor.name}:Items.append", "data-mutation")
    items = vendor.imported().Items()
    items.append(1)
    with simulated(run="rush-hour"):
        items.append(2)
    assert items == [1]
    guarded.undo()
    with simulated(run="rush-hour"):
        items.append(3)
    assert items == [1, 3]


def test_guarding_a_method_of_a_builtin_class_raises_and_names_the_class(keys: dict[str, Any]) -> None:
    with pytest.raises((ConfigurationError, TypeError), match="list"):
        guard_target("builtins:list.append", "data-mutation")
    # Nothing of the failed guard is left.
    with pytest.raises((ConfigurationError, TypeError), match="list"):
        guard_target("builtins:list.append", "other-effect")


def test_a_module_in_a_package_is_found_without_importing_its_parents(vendor: Vendor) -> None:
    package = vendor.name
    vendor.write("", path=f"{package}/__init__.py")
    vendor.write("", path=f"{package}/deep/__init__.py")
    vendor.write(path=f"{package}/deep/client.py")
    guard_target(f"{package}.deep.client:send", "analytics")
    assert not [name for name in sys.modules if name.startswith(package)]
    module = vendor.imported(f"{package}.deep.client")
    assert sent(module, lambda: module.send("ride")) == (["ride"], [])


def test_a_name_that_a_package_exports_is_guarded_too(vendor: Vendor) -> None:
    package = vendor.name
    vendor.write("from .client import send", path=f"{package}/__init__.py")
    vendor.write(path=f"{package}/client.py")
    guard_target(f"{package}.client:send", "analytics")
    exported, module = vendor.imported(package), vendor.imported(f"{package}.client")
    assert sent(module, lambda: exported.send("ride")) == (["ride"], [])


def test_modules_that_import_each_other_are_guarded(vendor: Vendor) -> None:
    one, two = f"{vendor.name}_one", f"{vendor.name}_two"
    vendor.write(f"{VENDOR}\nimport {two}\n", path=f"{one}.py")
    vendor.write(f"from {one} import calls, send\n", path=f"{two}.py")
    guard_target(f"{one}:send", "analytics")
    module, other = vendor.imported(one), vendor.imported(two)
    assert sent(module, lambda: module.send("ride")) == (["ride"], [])
    assert sent(module, lambda: other.send("ride")) == (["ride"], [])


def test_a_module_can_guard_its_own_function_during_its_import(vendor: Vendor) -> None:
    vendor.write(f"{VENDOR}\nfrom synthetic import guard_target\nguard_target(__name__ + ':send', 'analytics')\n")
    module = vendor.imported()
    assert sent(module, lambda: module.send("ride")) == (["ride"], [])


def test_guarding_a_function_before_its_module_defines_it_raises(vendor: Vendor) -> None:
    vendor.write(f"from synthetic import guard_target\nguard_target(__name__ + ':send', 'analytics')\n{VENDOR}")
    with pytest.raises(ConfigurationError, match=r"no attribute 'send' yet: it is still being imported"):
        vendor.imported()


def test_a_target_is_guarded_while_another_thread_imports_its_module(vendor: Vendor) -> None:
    name = vendor.write(
        f"import sys, threading\nhalf, go_on = sys.{vendor.name}\nhalf.set()\nassert go_on.wait(60)\n{VENDOR}"
    )
    half, go_on = threading.Event(), threading.Event()
    setattr(sys, name, (half, go_on))
    importing = threading.Thread(target=vendor.imported)
    importing.start()
    assert half.wait(60)
    failures: list[BaseException] = []

    def guarding() -> None:
        try:
            guard_target(f"{name}:send", "analytics")
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=guarding)
    thread.start()
    go_on.set()
    for waited in (importing, thread):
        waited.join()
    delattr(sys, name)
    assert failures == []
    module = vendor.imported()
    assert sent(module, lambda: module.send("ride")) == (["ride"], [])


def test_threads_that_import_a_module_at_the_same_time_find_it_guarded(vendor: Vendor) -> None:
    vendor.write(f"import time\n{VENDOR}\ntime.sleep(0.05)\n")
    guard_target(f"{vendor.name}:send", "analytics")
    started = threading.Barrier(8)
    results: list[Any] = []

    def use() -> None:
        started.wait()
        module = vendor.imported()
        with simulated(run="rush-hour"):
            results.append(module.send("ride"))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [None] * 8
    assert vendor.imported().calls == []


def test_threads_that_guard_the_same_target_get_one_guard(vendor: Vendor) -> None:
    vendor.write()
    module = vendor.imported()
    guards: list[Any] = []
    threads = [
        threading.Thread(target=lambda: guards.append(guard_target(f"{vendor.name}:send", "analytics")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, guards))) == 1
    with recorded() as outcomes, simulated(run="rush-hour"):
        module.send("ride")
    assert len(outcomes) == 1


def test_a_reloaded_module_can_be_guarded_again(vendor: Vendor) -> None:
    vendor.write()
    module = vendor.imported()
    guarded = guard_target(f"{vendor.name}:send", "analytics")
    guarded.undo()
    importlib.reload(module)
    guard_target(f"{vendor.name}:send", "analytics")
    assert sent(module, lambda: module.send("ride")) == (["ride"], [])
