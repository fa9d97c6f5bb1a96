"""Make keys."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from typing import TypeAlias

__all__ = ["JWK", "eddsa_pair", "shared_secret"]

JWK: TypeAlias = "dict[str, str]"


def shared_secret(key_id: str) -> JWK:
    """Return a new shared secret for HS256."""
    return {"kty": "oct", "alg": "HS256", "kid": key_id, "k": _encoded(secrets.token_bytes(32))}


def eddsa_pair(key_id: str) -> tuple[JWK, JWK]:
    """Return a new Ed25519 private key and its public key. Raises ValueError if the extra ``eddsa`` is missing."""
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


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
