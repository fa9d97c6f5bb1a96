"""Making keys: the files behind ``synthetic-traffic keygen``."""

from __future__ import annotations

import json
import os
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

__all__ = ["add_key", "eddsa_pair", "shared_secret", "write"]

JWK = dict[str, str]


def shared_secret(key_id: str) -> JWK:
    """Return a new secret for HS256."""
    return {"kty": "oct", "alg": "HS256", "kid": key_id, "k": _encoded(secrets.token_bytes(32))}


def eddsa_pair(key_id: str) -> tuple[JWK, JWK]:
    """Return a new Ed25519 key and its public half. Raises ValueError where the extra for it is missing."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise ValueError(
            'EdDSA keys need an extra: pip install "synthetic-traffic[eddsa]" (or make a shared secret with --shared)'
        ) from None
    key = Ed25519PrivateKey.generate()
    public = {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "kid": key_id,
        "x": _encoded(key.public_key().public_bytes_raw()),
    }
    return {**public, "d": _encoded(key.private_bytes_raw())}, public


def add_key(path: Path, key: JWK, *, append: bool) -> dict[str, Any]:
    """Return the JWKS for ``path`` with ``key`` in it; before its last key, where there are some.

    Raises ValueError where the file is there and ``append`` is False, is not a JWKS, or has a key of that name.
    """
    if not path.exists():
        return {"keys": [key]}
    if not append:
        raise ValueError(f"{path} exists; --append adds the key to it, or give another file")
    try:
        present = json.loads(path.read_text(encoding="utf-8"))
        keys = [dict(other) for other in present["keys"]]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} exists and is not a JWKS") from None
    if any(other.get("kid") == key["kid"] for other in keys):
        raise ValueError(f"{path} has a key {key['kid']!r} already; give another --kid")
    # The last one signs: first every service must know the new key, then it may.
    return {**present, "keys": [*keys[:-1], key, *keys[-1:]]}


def write(path: Path, document: dict[str, Any], *, is_secret: bool) -> None:
    """Put ``document`` at ``path`` in one step; a secret is never readable by others, not even for a moment."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_secret else 0o644)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(document, indent=2) + "\n")
    fresh.replace(path)


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
