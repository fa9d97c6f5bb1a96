"""Tokens: signing, verification, and bounded caches for good tokens and for forgeries."""

from __future__ import annotations

import json
import sys
import threading
from base64 import urlsafe_b64decode
from typing import Any

import jwt
import pytest

from synthetic._model.marker import Marker
from synthetic._model.reason import Reason
from synthetic._wire.claims import Claims
from synthetic._wire.keys import FORGED, VERIFIED, Keys, parse_keys
from synthetic._wire.memory import Memory
from synthetic._wire.token import ENTRY_LIMIT, names_us, sign, unverified_parts, verify
from tests.support.keys import eddsa_pair, encoded, mint, shared_key

NOW = 1_800_000_000
MARKER = Marker("rush-hour", "load", "rider-7", "book")


def _keys(jwks: dict[str, Any]) -> Keys:
    keys = parse_keys(json.dumps(jwks))
    assert keys is not None
    return keys


def _signed(keys: Keys, marker: Marker = MARKER, now: float = NOW, lifetime: float = 600) -> str:
    token, _ = sign(keys, marker, issuer="synthetic-traffic", environment="staging", now=now, lifetime=lifetime)
    return token


@pytest.mark.parametrize("marker", [MARKER, Marker("r"), Marker("x" * 64, "test", actor="a")])
def test_a_signed_token_verifies_with_the_same_claims(keys: dict[str, Any], marker: Marker) -> None:
    claims = verify(_keys(keys), _signed(_keys(keys), marker))
    assert isinstance(claims, Claims)
    assert claims.marker == marker
    assert (claims.issuer, claims.environment) == ("synthetic-traffic", "staging")
    assert (claims.issued_at, claims.expires_at) == (NOW, NOW + 600)


def test_the_public_half_verifies_what_the_private_half_signed() -> None:
    pytest.importorskip("cryptography", reason="EdDSA needs the extra eddsa")
    private, public = eddsa_pair()
    token = _signed(_keys(private))
    assert isinstance(verify(_keys(public), token), Claims)
    assert isinstance(verify(_keys(private), token), Claims)
    assert verify(_keys(eddsa_pair()[1]), token) is Reason.BAD_SIGNATURE


def test_other_jwt_libraries_can_read_our_token(keys: dict[str, Any]) -> None:
    secret = urlsafe_b64decode(keys["keys"][0]["k"] + "=")
    token = _signed(_keys(keys))
    read = jwt.decode(
        token, secret, algorithms=["HS256"], audience="staging", options={"verify_exp": False, "verify_iat": False}
    )
    assert read == {
        "iss": "synthetic-traffic",
        "aud": "staging",
        "iat": NOW,
        "exp": NOW + 600,
        "run": "rush-hour",
        "kind": "load",
        "sub": "rider-7",
        "scenario": "book",
    }
    assert jwt.get_unverified_header(token) == {"typ": "synthetic+jwt", "alg": "HS256", "kid": "test"}


def test_times_are_whole_seconds_rounded_down(keys: dict[str, Any]) -> None:
    token, expires_at = sign(_keys(keys), MARKER, issuer="i", environment="e", now=NOW + 0.9, lifetime=10.9)
    claims = verify(_keys(keys), token)
    assert isinstance(claims, Claims)
    assert (claims.issued_at, claims.expires_at, expires_at) == (NOW, NOW + 10, NOW + 10)


def test_public_keys_cannot_sign() -> None:
    pytest.importorskip("cryptography", reason="EdDSA needs the extra eddsa")
    with pytest.raises(LookupError, match="no key of the JWKS can sign"):
        _signed(_keys(eddsa_pair()[1]))


def test_the_longest_names_fit_into_an_entry() -> None:
    keys = _keys(shared_key(kid="k" * 40))
    token = _signed(keys, Marker("r" * 64, "simulation", "a" * 64, "s" * 64))
    assert len(f"synthetic-traffic={token}") <= ENTRY_LIMIT


@pytest.mark.parametrize(
    ("now", "retention", "expected"),
    [
        (NOW - 31, 0, Reason.NOT_YET_VALID),
        (NOW - 30, 0, None),
        (NOW + 629, 0, None),
        (NOW + 630, 0, Reason.EXPIRED),
        (NOW + 630, 60, None),
        (NOW + 689.9, 60, None),
        (NOW + 690, 60, Reason.EXPIRED),
        (NOW - 31, 60, Reason.NOT_YET_VALID),
    ],
)
def test_validity_is_checked_each_time_with_thirty_seconds_of_leeway(
    keys: dict[str, Any], now: float, retention: float, expected: Reason | None
) -> None:
    generation = _keys(keys)
    token = _signed(generation)
    for _ in range(2):
        claims = verify(generation, token)
        assert isinstance(claims, Claims)
        assert claims.refusal("synthetic-traffic", "staging", now, retention) is expected


def test_issuer_and_environment_are_compared_exactly(keys: dict[str, Any]) -> None:
    claims = verify(_keys(keys), _signed(_keys(keys)))
    assert isinstance(claims, Claims)
    assert claims.refusal("Synthetic-traffic", "staging", NOW) is Reason.WRONG_ISSUER
    assert claims.refusal("synthetic-traffic", "staging ", NOW) is Reason.WRONG_ENVIRONMENT


def test_a_token_with_any_changed_byte_is_refused(keys: dict[str, Any]) -> None:
    generation = _keys(keys)
    token = mint(keys)
    for position in range(len(token)):
        for byte in ("A", "_", ".", "=", "\xe9"):
            changed = token[:position] + byte + token[position + 1 :]
            if changed != token:
                assert isinstance(verify(generation, changed), Reason)
    assert isinstance(verify(generation, token), Claims)


def test_every_truncated_token_is_refused(keys: dict[str, Any]) -> None:
    generation = _keys(keys)
    token = mint(keys)
    assert all(isinstance(verify(generation, token[:end]), Reason) for end in range(len(token)))
    assert all(isinstance(verify(generation, token[start:]), Reason) for start in range(1, len(token)))


def test_only_the_canonical_spelling_of_a_signature_is_accepted(keys: dict[str, Any]) -> None:
    generation = _keys(keys)
    token = mint(keys)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    assert last % 4 == 0
    for unused_bits in (1, 2, 3):
        assert verify(generation, token[:-1] + alphabet[last + unused_bits]) is Reason.MALFORMED
    assert verify(generation, token + "=") is Reason.MALFORMED
    assert verify(generation, token + "\n") is Reason.MALFORMED


@pytest.mark.parametrize(
    "header", [{"crit": ["exp"]}, {"crit": []}, {"alg": "none"}, {"alg": "HS384"}, {"alg": ["HS256"]}]
)
def test_a_header_with_crit_or_another_algorithm_is_the_wrong_type(
    keys: dict[str, Any], header: dict[str, Any]
) -> None:
    _, payload, signature = mint(keys).split(".")
    head = {"alg": "HS256", "typ": "synthetic+jwt", "kid": "test", **header}
    assert verify(_keys(keys), f"{encoded(json.dumps(head).encode())}.{payload}.{signature}") is Reason.WRONG_TYPE


def test_no_malformed_token_raises(keys: dict[str, Any]) -> None:
    generation = _keys(keys)
    texts = (
        "",
        "null",
        "[" * 400,
        '{"kid":"test","alg":"HS256","x":' + "[" * 300 + "]" * 300 + "}",
        "9" * 600,
        "\xff",
        '{"kid":{}}',
    )
    for head in texts:
        for payload in ("{}", *texts[:3]):
            token = ".".join(encoded(part.encode("latin-1")) for part in (head, payload, "x" * 32))
            assert isinstance(verify(generation, token), Reason)
            assert names_us(token, "synthetic-traffic") is False


def test_a_deeply_nested_header_does_not_raise_on_a_deep_stack(keys: dict[str, Any]) -> None:
    """A deeply nested header must not exhaust the stack of an application that is already deep in calls."""
    generation = _keys(keys)
    room = sys.getrecursionlimit()
    tokens = [
        ".".join(
            encoded(part)
            for part in (b'{"alg":"HS256","kid":"test","x":' + b"[" * n + b"]" * n + b"}", b"{}", b"x" * 32)
        )
        for n in range(200, 320)
    ]
    # Each token gets the same number of free frames. Only the nesting of the header changes.
    depth = room - 290
    seen: set[object] = set()

    def descend(left: int) -> None:
        if left:
            return descend(left - 1)
        seen.update(verify(generation, token) for token in tokens)

    verify(generation, tokens[0])
    thread = threading.Thread(target=descend, args=(depth,))
    thread.start()
    thread.join()
    assert seen
    assert seen <= {Reason.MALFORMED, Reason.BAD_SIGNATURE}


def test_a_flood_of_forgeries_evicts_no_good_token(keys: dict[str, Any]) -> None:
    generation = _keys(keys)
    good = mint(keys)
    assert isinstance(verify(generation, good), Claims)
    head, payload, _ = good.split(".")
    for number in range(FORGED * 3):
        forged = f"{head}.{payload}.{encoded(number.to_bytes(32, 'big'))}"
        assert verify(generation, forged) is Reason.BAD_SIGNATURE
    assert len(generation.forged) == FORGED
    assert list(generation.verified._items) == [good]


def test_only_a_digest_of_a_forgery_is_remembered(keys: dict[str, Any]) -> None:
    generation = _keys(keys)
    head, payload, _ = mint(keys).split(".")
    verify(generation, f"{head}.{payload}.{encoded(b'x' * 32)}")
    (remembered,) = generation.forged._items
    assert len(remembered) == 16


@pytest.mark.parametrize(
    "bad", [{"claims": {"kind": "joy"}}, {"headers": {"typ": "JWT"}}, {"headers": {"kid": "later"}}]
)
def test_only_bad_signatures_are_remembered_as_refused(keys: dict[str, Any], bad: dict[str, Any]) -> None:
    generation = _keys(keys)
    assert isinstance(verify(generation, mint(keys, **bad)), Reason)
    assert len(generation.forged) == len(generation.verified) == 0


def test_new_keys_do_not_inherit_remembered_tokens(keys: dict[str, Any]) -> None:
    token = mint(keys)
    assert isinstance(verify(_keys(keys), token), Claims)
    assert verify(_keys(shared_key("new")), token) is Reason.UNKNOWN_KEY
    assert verify(_keys(shared_key("test")), token) is Reason.BAD_SIGNATURE
    assert isinstance(verify(_keys(keys), token), Claims)


def test_a_generation_remembers_a_bounded_number_of_good_tokens(keys: dict[str, Any]) -> None:
    assert _keys(keys).verified.limit == VERIFIED == 16_384
    memory = Memory[int, str](3)
    for number in (1, 2, 3, 2, 4):
        memory.remember(number, str(number))
    assert [memory.get(number) for number in (1, 2, 3, 4)] == [None, "2", "3", "4"]
    assert len(memory) == 3


def test_a_memory_keeps_its_bound_under_many_threads() -> None:
    memory = Memory[int, int](100)
    seen: list[int] = []

    def fill(start: int) -> None:
        for number in range(start, start + 3_000):
            memory.remember(number, number)
            seen.append(len(memory))
            assert memory.get(number) in (number, None)

    threads = [threading.Thread(target=fill, args=(start,)) for start in (0, 2_000, 4_000, 100_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 12_000
    assert max(seen) <= 101  # one more that a writer has just added
    assert len(memory) == 100


def test_a_truncated_token_still_names_us_by_type_and_issuer(keys: dict[str, Any]) -> None:
    token = mint(keys)
    head, payload, _ = token.split(".")
    assert names_us(token, "synthetic-traffic")
    assert names_us(f"{head}.{payload}", "synthetic-traffic")
    assert names_us(f"{head}.{payload[:-10]}", "synthetic-traffic")
    for disguised in (f'"{token}"', f"'{token}'", f"Bearer {token}", token.replace(".", "%2E"), f"%65{token[1:]}"):
        assert names_us(disguised, "synthetic-traffic"), disguised
        assert not names_us(disguised, "acme"), disguised
    assert not names_us(token, "acme")
    assert not names_us(mint(keys, headers={"typ": "JWT"}), "synthetic-traffic")
    assert not names_us("true", "synthetic-traffic")


def test_missing_parts_of_a_malformed_token_are_none() -> None:
    assert unverified_parts("junk") == (None, None)
    assert unverified_parts(f"{encoded(b'{}')}.!!.x") == ({}, None)
