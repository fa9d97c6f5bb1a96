"""Keys and tokens for tests: good ones, and any kind of bad one."""

from __future__ import annotations

import json
import os
import time
from base64 import urlsafe_b64encode
from typing import Any

import jwt


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def shared_key(kid: str = "test") -> dict[str, Any]:
    """A JWKS with one shared secret."""
    return {"keys": [{"kty": "oct", "kid": kid, "k": encoded(os.urandom(32))}]}


def eddsa_pair(kid: str = "test") -> tuple[dict[str, Any], dict[str, Any]]:
    """A private JWKS and its public half."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    public = {"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encoded(key.public_key().public_bytes_raw())}
    return {"keys": [{**public, "d": encoded(key.private_bytes_raw())}]}, {"keys": [public]}


def mint(keys: dict[str, Any], *, claims: dict[str, Any] | None = None, headers: dict[str, Any] | None = None) -> str:
    """A token signed with the last key; ``claims`` and ``headers`` override, and None leaves one out."""
    jwk = jwt.PyJWK(keys["keys"][-1], "HS256" if keys["keys"][-1]["kty"] == "oct" else "EdDSA")
    now = int(time.time())
    payload: dict[str, Any] = {
        "iss": "synthetic-traffic",
        "aud": "default",
        "iat": now,
        "exp": now + 600,
        "run": "rush-hour",
        "kind": "load",
        **(claims or {}),
    }
    header = {"typ": "synthetic+jwt", "kid": keys["keys"][-1]["kid"], **(headers or {})}
    algorithm = "HS256" if keys["keys"][-1]["kty"] == "oct" else "EdDSA"
    text = json.dumps({name: value for name, value in payload.items() if value is not None})
    return jwt.api_jws.encode(text.encode(), jwk.key, algorithm=algorithm, headers=header)


def entry(token: str) -> str:
    """The baggage entry that carries a token."""
    return f"synthetic-traffic={token}"
