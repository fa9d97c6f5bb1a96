"""Writes docs/protocol-vectors.json: ``python -m tests.support.make_vectors``. Keys and clock are fixed.

Tokens are put together by hand, so that the vectors hold for any implementation and any faulty token can be made.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from tests.support.keys import encoded
from tests.support.vector_cases import all_cases

PATH = Path(__file__).parents[2] / "docs" / "protocol-vectors.json"
NOW = 1_800_000_000

SECRET = hashlib.sha256(b"synthetic-traffic test vectors, shared key").digest()
SEED = hashlib.sha256(b"synthetic-traffic test vectors, private key").digest()

ABOUT = (
    "Test vectors for the protocol of synthetic-traffic (docs/protocol.md). Every key in this file is for tests only, "
    "private halves included: never configure one anywhere else."
)
FIELDS = {
    "service_keys": "the JWKS that the service verifies with, where settings.keys is true",
    "test_signing_keys": "the JWKS that signed the tokens; its last key is private. FOR TESTS ONLY",
    "defaults": "the settings of every case, unless its own settings say otherwise; durations are in seconds",
    "cases[].headers": "the value of each baggage header, in order; one character a byte (latin-1)",
    "cases[].settings": "what differs from the defaults. ready and shed are what the service answers when it is "
    "asked; instrumented, whether it would carry the marker on",
    "cases[].now": "the service's clock, in seconds since the epoch",
    "cases[].verdict": "real, simulated, refused (HTTP 403) or later (HTTP 429)",
    "cases[].reason": "the reason code of a refusal, else null",
    "cases[].marker": "run, kind, actor and scenario of simulated work, else null",
    "cases[].forward": "the baggage header values handed on to the application, else null. They may be joined with "
    "commas; nothing else about them may change",
}
DEFAULTS = {
    "edge": True,
    "environment": "staging",
    "halt": [],
    "issuer": "synthetic-traffic",
    "key": "synthetic-traffic",
    "keys": True,
    "on_missing": "real",
    "on_unverified": "refuse",
    "ready": True,
    "retention": 604_800,
    "shed": False,
    "instrumented": True,
}


class Signer:
    """Makes tokens, good and bad."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._private = Ed25519PrivateKey.from_private_bytes(SEED)
        shared = {"kty": "oct", "kid": "shared", "k": encoded(SECRET)}
        public = {
            "kty": "OKP",
            "crv": "Ed25519",
            "kid": "ed",
            "x": encoded(self._private.public_key().public_bytes_raw()),
        }
        self.service_keys = {"keys": [shared, public]}
        self.signing_keys = {"keys": [shared, {**public, "d": encoded(SEED)}]}

    def token(self, *, header: dict[str, Any] | None = None, sign_as: str | None = None, **claims: Any) -> str:
        """Return a token; ``header`` and ``claims`` override, None leaves one out; ``raw`` is the payload's text."""
        head = {"alg": "HS256", "kid": "shared", "typ": "synthetic+jwt", **(header or {})}
        raw = claims.pop("raw", None)
        payload = {
            "iss": "synthetic-traffic",
            "aud": "staging",
            "iat": NOW - 60,
            "exp": NOW + 540,
            "run": "rush-hour",
            "kind": "load",
            **claims,
        }
        text = raw if raw is not None else _json({name: value for name, value in payload.items() if value is not None})
        unsigned = (
            f"{encoded(_json({n: v for n, v in head.items() if v is not None}).encode())}.{encoded(text.encode())}"
        )
        return f"{unsigned}.{encoded(self._signature(unsigned.encode(), sign_as or str(head['alg'])))}"

    def _signature(self, text: bytes, algorithm: str) -> bytes:
        if algorithm == "none":
            return b""
        if algorithm == "EdDSA":
            return self._private.sign(text)
        secret = self._private.public_key().public_bytes_raw() if algorithm == "public key as secret" else SECRET
        return hmac.new(secret, text, hashlib.sha512 if algorithm == "HS512" else hashlib.sha256).digest()


def document() -> str:
    """Return the text of the file."""
    signer = Signer()
    content = {
        "about": ABOUT,
        "fields": FIELDS,
        "service_keys": signer.service_keys,
        "test_signing_keys": signer.signing_keys,
        "defaults": DEFAULTS,
        "cases": all_cases(signer.token, NOW),
    }
    return json.dumps(content, indent=1, sort_keys=False, ensure_ascii=True) + "\n"


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    PATH.write_text(document(), encoding="ascii", newline="\n")
