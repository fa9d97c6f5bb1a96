"""Keys for tests."""

from __future__ import annotations

from synthetic._wire.keygen import shared_secret

__all__ = ["keys"]


def keys(key_id: str = "test") -> dict[str, list[dict[str, str]]]:
    """Return a JWKS with one new key that signs and verifies, for ``synthetic.configured(keys=keys())``.

    The key is a shared secret (HS256), so you need no extra. Each call returns a new key, so no test accepts a token
    that another test has signed. ``key_id`` is the key's ``kid``.
    """
    return {"keys": [shared_secret(key_id)]}
