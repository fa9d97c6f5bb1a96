"""Tokens are taken out of whatever somebody is about to record."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

import synthetic
from synthetic.integration import without_tokens
from tests.support.keys import entry, mint


@pytest.fixture
def token(keys: dict[str, Any]) -> str:
    synthetic.configure(keys=keys)
    return mint(keys)


def test_a_token_is_found_in_every_form(token: str) -> None:
    header = entry(token)
    forms: list[Any] = [
        token,
        header,
        f"user=7,{header};p=1,b=2",
        f"synthetic-traffic = {token}",
        quote(header),
        header.encode(),
        bytearray(header.encode()),
        repr({"baggage": header.encode()}),
        {"headers": [("baggage", header)], header: 1},
        [[[{"a": (header,)}]]],
        *(header[:length] for length in range(80, len(header), 7)),
        *(token[:length] for length in range(120, len(token), 7)),
    ]
    _, claims, signature = token.split(".")
    for form in forms:
        shown = repr(without_tokens(form))
        assert claims[:16] not in shown, form
        assert signature[:8] not in shown, form


def test_everything_else_stays_the_same_object(token: str) -> None:
    other = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl"
    for value in ("text", f"Bearer {other}", "eyJ", {"a": [1, "b", None, (2.5,)]}, b"bytes", object(), 7, None):
        assert without_tokens(value) is value


def test_the_value_itself_is_not_changed(token: str) -> None:
    value = {"headers": {"baggage": [entry(token)]}, "x": "1"}
    clean = without_tokens(value)
    assert value["headers"] == {"baggage": [entry(token)]}
    assert clean == {"headers": {"baggage": ["synthetic-traffic=[synthetic token]"]}, "x": "1"}


def test_a_value_that_holds_itself_ends(token: str) -> None:
    value: list[Any] = [entry(token)]
    value += [value, value, {"again": value}]
    assert token not in repr(without_tokens(value))
