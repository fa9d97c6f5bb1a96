"""The test vectors for other languages hold for this library too."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

import synthetic
from synthetic._admission.decision import Refused
from synthetic._admission.entrance import Entrance
from synthetic._model.reason import Reason
from tests.support.make_vectors import PATH, document

pytest.importorskip("cryptography", reason="the vectors hold an EdDSA key, which needs the extra eddsa")

VECTORS: dict[str, Any] = json.loads(PATH.read_text(encoding="ascii"))
CASES: list[dict[str, Any]] = VECTORS["cases"]


def _settings(case: dict[str, Any]) -> dict[str, Any]:
    given = {**VECTORS["defaults"], **case["settings"]}
    ready, shed = given["ready"], given["shed"]
    del given["instrumented"]
    return {
        **given,
        "keys": VECTORS["service_keys"] if given["keys"] else None,
        "ready": lambda: ready,
        "shed": lambda: shed,
        "clock": lambda: case["now"],
    }


@pytest.mark.parametrize("case", CASES, ids=[case["name"].replace(" ", "-") for case in CASES])
def test_every_vector_holds(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    if not {**VECTORS["defaults"], **case["settings"]}["instrumented"]:
        monkeypatch.setattr("synthetic._admission.decision.INSTRUMENTED", set())
    with synthetic.configured(**_settings(case)):
        for _ in range(2):  # the second time from the cache
            decision = Entrance().decide(case["headers"])
            if isinstance(decision, Refused):
                assert case["verdict"] == ("later" if decision.reason.is_later else "refused")
                assert (case["reason"], case["marker"], case["forward"]) == (decision.reason.value, None, None)
                continue
            marker = decision.verdict.marker
            assert case["verdict"] == ("real" if marker is None else "simulated")
            assert (case["reason"], case["marker"]) == (None, _facts(marker) if marker else None)
            assert list(case["headers"] if decision.onward is None else decision.onward) == case["forward"]


def _facts(marker: synthetic.Marker) -> dict[str, str | None]:
    return {"run": marker.run, "kind": marker.kind, "actor": marker.actor, "scenario": marker.scenario}


def test_the_file_matches_its_generator() -> None:
    assert PATH.read_bytes() == document().encode("ascii")


def test_every_reason_has_a_vector() -> None:
    assert {case["reason"] for case in CASES} - {None} == {
        reason.value
        for reason in Reason
        if reason is not Reason.OUTLIVED  # which nothing that is received can be
    }


def test_every_vector_has_its_own_name() -> None:
    assert [name for name, times in Counter(case["name"] for case in CASES).items() if times > 1] == []


def test_every_field_of_a_vector_is_described() -> None:
    described = {name.removeprefix("cases[].") for name in VECTORS["fields"] if name.startswith("cases[].")}
    assert {name for case in CASES for name in case} - {"name"} == described
    assert {name for case in CASES for name in case["settings"]} <= VECTORS["defaults"].keys()
