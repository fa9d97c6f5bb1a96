"""The keys of the demo: pairs as ``synthetic-traffic keygen`` makes them, new at every start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

Jwk = dict[str, Any]


def new_key(kid: str) -> Jwk:
    """A private key; it can sign."""
    return {**OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True), "kid": kid, "alg": "EdDSA"}


def public_half(key: Jwk) -> Jwk:
    """What verifies, and cannot sign."""
    return {name: value for name, value in key.items() if name != "d"}


def write(path: Path, *keys: Jwk) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps({"keys": keys}, indent=2), encoding="utf-8")
