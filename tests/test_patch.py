"""Patches on others' classes: on once, off again, in any order with those of somebody else."""

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


def test_on_twice_is_on_once_and_off_is_the_original(product: type[Product]) -> None:
    original = vars(product)["call"]
    patches = Patches(Patch(product, "call", ours))
    patches.instrument()
    patches.instrument()
    assert product().call() == "ours(bare)"
    patches.uninstrument()
    patches.uninstrument()
    assert vars(product)["call"] is original


def test_what_was_inherited_is_inherited_again(product: type[Product]) -> None:
    patches = Patches(Patch(product, "inherited", ours))
    patches.instrument()
    assert product().inherited() == "ours(inherited)"
    assert Base().inherited() == "inherited"
    patches.uninstrument()
    assert "inherited" not in vars(product)


def test_below_the_wrapper_of_another_ours_stays_and_does_nothing(product: type[Product]) -> None:
    patches = Patches(Patch(product, "call", ours))
    patches.instrument()
    product.call = theirs(product.call)
    patches.uninstrument()
    assert product().call() == "theirs(bare)"
    patches.instrument()
    assert product().call() == "theirs(ours(bare))"


def test_above_the_wrapper_of_another_that_is_taken_off_it_is_put_on_anew(product: type[Product]) -> None:
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


def test_above_a_wrapper_made_with_wrapt_that_one_still_gets_its_instance(product: type[Product]) -> None:
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


def test_a_function_of_a_module_is_patched_too() -> None:
    module = ModuleType("product")
    module.call = lambda: "bare"  # type: ignore[attr-defined]
    patches = Patches(Patch(module, "call", ours))
    patches.instrument()
    assert module.call() == "ours(bare)"
    patches.uninstrument()
    assert module.call() == "bare"


def test_where_one_patch_cannot_go_on_none_is_left(product: type[Product]) -> None:
    original = vars(product)["call"]
    patches = Patches(Patch(product, "call", ours), Patch(product, "renamed", ours))
    with pytest.raises(AttributeError, match="renamed"):
        patches.instrument()
    assert vars(product)["call"] is original
    assert product().call() == "bare"


def test_a_static_method_is_handed_over_as_it_stands_in_the_class(product: type[Product]) -> None:
    patches = Patches(Patch(product, "static", lambda original, is_on: staticmethod(ours(original.__func__, is_on))))
    patches.instrument()
    assert product.static() == product().static() == "ours(static)"
    patches.uninstrument()
    assert product.static() == product().static() == "static"


class TestPatchesOnWhatIsNotImportedYet:
    @pytest.fixture(autouse=True)
    def importable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        # Another for each test: old versions of wrapt keep in mind what was imported once.
        self.module = f"imported_late_{uuid4().hex}"
        (tmp_path / f"{self.module}.py").write_text("def call():\n    return 'bare'\n")
        monkeypatch.syspath_prepend(tmp_path)
        yield
        sys.modules.pop(self.module, None)

    def patches(self) -> Patches:
        return Patches(LatePatches(self.module, lambda module: [Patch(module, "call", ours)]))

    def call(self) -> str:
        return str(import_module(self.module).call())

    def test_they_go_on_when_it_is_imported_and_not_before(self) -> None:
        patches = self.patches()
        patches.instrument()
        patches.instrument()
        assert self.module not in sys.modules
        assert self.call() == "ours(bare)"
        patches.uninstrument()
        assert self.call() == "bare"
        patches.instrument()
        assert self.call() == "ours(bare)"

    def test_they_go_on_at_once_where_it_is_imported_already(self) -> None:
        assert self.call() == "bare"
        patches = self.patches()
        patches.instrument()
        assert self.call() == "ours(bare)"
        patches.uninstrument()
        assert self.call() == "bare"

    def test_taken_off_before_it_is_imported_they_never_go_on(self) -> None:
        patches = self.patches()
        patches.instrument()
        patches.uninstrument()
        assert self.call() == "bare"
        patches.instrument()
        assert self.call() == "ours(bare)"

    def test_where_they_cannot_go_on_the_import_succeeds_and_somebody_is_told(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        Patches(LatePatches(self.module, lambda module: [Patch(module, "renamed", ours)])).instrument()
        with caplog.at_level(logging.ERROR, "synthetic"):
            assert self.call() == "bare"
        assert f"{self.module} cannot be instrumented, so it carries no marker" in caplog.text
