"""Patches on third-party classes are applied once and undone, in any order with other patches."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
import wrapt

from synthetic._instrument.imports import LatePatches
from synthetic._instrument.patches import Patch, Patches


class Base:
    def inherited(self) -> str:
        return "inherited"


class Product(Base):
    def call(self) -> str:
        return "bare"

    @staticmethod
    def static() -> str:
        return "static"


def ours(original: Any, is_on: Callable[[], bool]) -> Any:
    @wraps(original)
    def wrapper(*args: Any) -> str:
        return f"ours({original(*args)})" if is_on() else original(*args)

    return wrapper


def theirs(original: Any) -> Any:
    @wraps(original)
    def wrapper(*args: Any) -> str:
        return f"theirs({original(*args)})"

    return wrapper


@pytest.fixture
def product() -> type[Product]:
    return type("Fresh", (Product,), dict(vars(Product)))


def test_a_patch_is_applied_once_and_undone_completely(product: type[Product]) -> None:
    original = vars(product)["call"]
    patches = Patches(Patch(product, "call", ours))
    patches.instrument()
    patches.instrument()
    assert product().call() == "ours(bare)"
    patches.uninstrument()
    patches.uninstrument()
    assert vars(product)["call"] is original


def test_undoing_a_patch_on_an_inherited_method_removes_the_override(product: type[Product]) -> None:
    patches = Patches(Patch(product, "inherited", ours))
    patches.instrument()
    assert product().inherited() == "ours(inherited)"
    assert Base().inherited() == "inherited"
    patches.uninstrument()
    assert "inherited" not in vars(product)


def test_an_undone_patch_under_another_wrapper_does_nothing(product: type[Product]) -> None:
    patches = Patches(Patch(product, "call", ours))
    patches.instrument()
    product.call = theirs(product.call)
    patches.uninstrument()
    assert product().call() == "theirs(bare)"
    patches.instrument()
    assert product().call() == "theirs(ours(bare))"


def test_a_patch_is_reapplied_after_the_wrapper_below_it_was_removed(product: type[Product]) -> None:
    original = vars(product)["call"]
    product.call = theirs(original)
    patches = Patches(Patch(product, "call", ours))
    patches.instrument()
    assert product().call() == "ours(theirs(bare))"
    product.call = original
    patches.instrument()
    assert product().call() == "ours(bare)"
    patches.uninstrument()
    assert vars(product)["call"] is original


def test_a_wrapt_wrapper_below_the_patch_still_gets_its_instance(product: type[Product]) -> None:
    instances = []

    @wrapt.decorator
    def noting(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> str:
        instances.append(instance)
        return f"theirs({wrapped(*args, **kwargs)})"

    product.call = noting(vars(product)["call"])
    present = vars(product)["call"]
    patches = Patches(Patch(product, "call", ours))
    patches.instrument()
    made = product()
    assert made.call() == "ours(theirs(bare))"
    assert instances == [made]
    patches.instrument()
    assert made.call() == "ours(theirs(bare))"
    patches.uninstrument()
    assert vars(product)["call"] is present


def test_a_module_function_can_be_patched() -> None:
    module = ModuleType("product")
    module.call = lambda: "bare"  # type: ignore[attr-defined]
    patches = Patches(Patch(module, "call", ours))
    patches.instrument()
    assert module.call() == "ours(bare)"
    patches.uninstrument()
    assert module.call() == "bare"


def test_a_patch_that_fails_undoes_the_others(product: type[Product]) -> None:
    original = vars(product)["call"]
    patches = Patches(Patch(product, "call", ours), Patch(product, "renamed", ours))
    with pytest.raises(AttributeError, match="renamed"):
        patches.instrument()
    assert vars(product)["call"] is original
    assert product().call() == "bare"


def test_a_patch_receives_a_static_method_as_a_staticmethod_object(product: type[Product]) -> None:
    patches = Patches(Patch(product, "static", lambda original, is_on: staticmethod(ours(original.__func__, is_on))))
    patches.instrument()
    assert product.static() == product().static() == "ours(static)"
    patches.uninstrument()
    assert product.static() == product().static() == "static"


class TestLatePatches:
    @pytest.fixture(autouse=True)
    def importable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        # A new name for each test: old versions of wrapt remember which modules were imported.
        self.module = f"imported_late_{uuid4().hex}"
        (tmp_path / f"{self.module}.py").write_text("def call():\n    return 'bare'\n")
        monkeypatch.syspath_prepend(tmp_path)
        yield
        sys.modules.pop(self.module, None)

    def patches(self) -> Patches:
        return Patches(LatePatches(self.module, lambda module: [Patch(module, "call", ours)]))

    def call(self) -> str:
        return str(import_module(self.module).call())

    def test_late_patches_are_applied_at_the_import(self) -> None:
        patches = self.patches()
        patches.instrument()
        patches.instrument()
        assert self.module not in sys.modules
        assert self.call() == "ours(bare)"
        patches.uninstrument()
        assert self.call() == "bare"
        patches.instrument()
        assert self.call() == "ours(bare)"

    def test_late_patches_are_applied_at_once_to_an_imported_module(self) -> None:
        assert self.call() == "bare"
        patches = self.patches()
        patches.instrument()
        assert self.call() == "ours(bare)"
        patches.uninstrument()
        assert self.call() == "bare"

    def test_late_patches_undone_before_the_import_are_not_applied(self) -> None:
        patches = self.patches()
        patches.instrument()
        patches.uninstrument()
        assert self.call() == "bare"
        patches.instrument()
        assert self.call() == "ours(bare)"

    def test_a_failing_late_patch_is_logged_and_the_import_succeeds(self, caplog: pytest.LogCaptureFixture) -> None:
        Patches(LatePatches(self.module, lambda module: [Patch(module, "renamed", ours)])).instrument()
        with caplog.at_level(logging.ERROR, "synthetic"):
            assert self.call() == "bare"
        assert f"{self.module} cannot be instrumented, so it carries no marker" in caplog.text
