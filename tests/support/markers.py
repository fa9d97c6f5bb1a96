"""Headers with markers: good ones, and each kind of bad one with the reason for which it is refused."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

from tests.support.keys import encoded, entry, mint, shared_key

Keys = dict[str, Any]
Headers = list[tuple[str, str]]

DAY = 86_400


def marked(keys: Keys, **claims: Any) -> Headers:
    """A header with a good marker."""
    return baggage(entry(mint(keys, claims=claims)))


def baggage(*values: str) -> Headers:
    return [("baggage", value) for value in values]


def expired(seconds: float) -> dict[str, int]:
    """The claims of a token that expired so long ago."""
    now = int(time.time())
    return {"iat": now - int(seconds) - 600, "exp": now - int(seconds)}


def _ago(**claims: Any) -> Callable[[Keys], Headers]:
    return lambda keys: marked(keys, **claims)


def _typed(**headers: Any) -> Callable[[Keys], Headers]:
    return lambda keys: baggage(entry(mint(keys, headers=headers)))


def _written(pattern: str) -> Callable[[Keys], Headers]:
    return lambda keys: baggage(pattern.replace("TOKEN", mint(keys)))


def _by_hand(signature: str | None = None, **header: str) -> Callable[[Keys], Headers]:
    """A token that no JWT library would make; signed with the key's secret where no ``signature`` is given."""

    def headers(keys: Keys) -> Headers:
        text = json.dumps({"typ": "synthetic+jwt", **header}).encode()
        signed = f"{encoded(text)}.{mint(keys).split('.')[1]}"
        secret = urlsafe_b64decode(keys["keys"][-1]["k"] + "=")
        good = encoded(hmac.digest(secret, signed.encode(), "sha256"))
        return baggage(entry(f"{signed}.{good if signature is None else signature}"))

    return headers


def forged(keys: Keys) -> Headers:
    """Signed with another secret under the same key id."""
    return marked(shared_key(keys["keys"][-1]["kid"]))


REFUSED: dict[str, tuple[Callable[[Keys], Headers], str]] = {
    "forged": (forged, "bad-signature"),
    "expired": (lambda keys: marked(keys, **expired(60)), "expired"),
    "from the future": (lambda keys: marked(keys, iat=int(time.time()) + 600, exp=int(time.time()) + 900),
                        "not-yet-valid"),
    "other environment": (_ago(aud="production"), "wrong-environment"),
    "other issuer": (_ago(iss="someone"), "wrong-issuer"),
    "unknown key": (lambda keys: marked(shared_key("unknown")), "unknown-key"),
    "no key id": (_by_hand(alg="HS256"), "unknown-key"),
    "wrong typ": (_typed(typ="JWT"), "wrong-type"),
    "other algorithm": (_by_hand(alg="HS512", kid="test"), "wrong-type"),
    "alg none": (_by_hand("c2ln", alg="none", kid="test"), "wrong-type"),
    "alg none without a signature": (_by_hand("", alg="none", kid="test"), "malformed"),
    "no run": (_ago(run=None), "invalid-claims"),
    "unknown kind": (_ago(kind="holiday"), "invalid-claims"),
    "lives too long": (_ago(exp=int(time.time()) + 3 * DAY), "invalid-claims"),
    "two that differ": (lambda keys: baggage(f"{entry(mint(keys))},{entry(mint(keys, claims={'run': 'other'}))}"),
                        "ambiguous"),
    "a good and a bad one": (lambda keys: baggage(entry(mint(keys)), entry("nonsense")), "ambiguous"),
    "two headers that differ": (lambda keys: marked(keys) + marked(keys, run="other"), "ambiguous"),
    "percent in the key": (_written("syn%74hetic-traffic=TOKEN"), "malformed"),
    "plus after the key": (_written("synthetic-traffic+=TOKEN"), "malformed"),
    "space before the key": (_written("%20synthetic-traffic=TOKEN"), "malformed"),
    "escape in the key": (_written("\\x73ynthetic-traffic=TOKEN,stray=\xff"), "malformed"),
    "a good and a hidden one": (_written("synthetic-traffic=TOKEN,synthetic%2Dtraffic=TOKEN"), "malformed"),
    "percent in the value": (lambda keys: baggage(entry(mint(keys).replace(".", "%2E"))), "malformed"),
    "quoted": (_written('synthetic-traffic="TOKEN"'), "malformed"),
    "padded": (_written("synthetic-traffic=TOKEN="), "malformed"),
    "bare key": (_written("synthetic-traffic"), "malformed"),
    "bare key with a property": (_written("synthetic-traffic;token=TOKEN"), "malformed"),
    "empty": (_written("synthetic-traffic="), "malformed"),
    "a flag": (_written("synthetic-traffic=true"), "malformed"),
    "too long": (_ago(note="x" * 1000), "too-long"),
}  # fmt: skip

STRANGERS = ["synthetic-traffic=1", "synthetic-traffic", "synthetic-traffic=a.b.c", "syn%74hetic-traffic=1"]
"""Entries that are not even a token of ours."""
