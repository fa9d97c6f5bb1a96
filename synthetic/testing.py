"""For tests: a key of their own."""

from __future__ import annotations

from synthetic._keygen import shared_secret

__all__ = ["keys"]


def keys(key_id: str = "test") -> dict[str, list[dict[str, str]]]:
    """Return a JWKS with one new key that signs and verifies, for ``synthetic.configured(keys=keys())``.

    The key is a shared secret (HS256), so no extra is needed. Each call returns another key: what one test signed,
    no other test accepts. ``key_id`` is its ``kid``.
    """
    return {"keys": [shared_secret(key_id)]}
