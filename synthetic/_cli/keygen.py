"""``synthetic-traffic keygen``: make a key, and keep its secret in a file that only you can read."""

from __future__ import annotations

import argparse
import json
import os
import secrets
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from synthetic._cli.printed import say
from synthetic._wire.keygen import JWK, eddsa_pair, shared_secret

__all__ = ["keygen"]


def keygen(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    key_id: str = options.kid or f"{datetime.now(timezone.utc):%Y-%m-%d}-{secrets.token_hex(2)}"
    if options.shared and (options.private or options.public):
        raise ValueError("--shared makes one secret; leave out --private and --public")
    if options.shared:
        files = [(options.shared, shared_secret(key_id), "signs and verifies; every service needs it")]
    else:
        private, public = eddsa_pair(key_id)
        files = [
            (options.private or Path("private.jwks"), private, "signs; only programs that start simulations need it"),
            (options.public or Path("public.jwks"), public, "verifies; every service needs it"),
        ]
    # Read every file before writing one: an error leaves all of them unchanged.
    documents = [(path, _with_key(path, key, append=options.append), key, use) for path, key, use in files]
    for path, document, key, use in documents:
        _write(path, document, is_secret="d" in key or "k" in key)
        last = document["keys"][-1]["kid"]
        if last == key_id:
            say(f"wrote {path}: the key {key_id!r}, which {use}")
        else:
            say(f"added {key_id!r} to {path}, before {last!r}, which still signs.")
            say(f"When every service has the new file, move {key_id!r} to the end of the list.")
    return 0


def _with_key(path: Path, key: JWK, *, append: bool) -> dict[str, Any]:
    """Return the JWKS for ``path`` with ``key`` added, before its last key if it has one.

    Raises ValueError if the file exists and ``append`` is False, if it is not a JWKS, or if it has a key of that name.
    """
    if not path.exists():
        return {"keys": [key]}
    if not append:
        raise ValueError(f"{path} exists; pass --append to add the key to it, or name another file")
    try:
        present = json.loads(path.read_text(encoding="utf-8"))
        keys = [dict(other) for other in present["keys"]]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} exists and is not a JWKS") from None
    if any(other.get("kid") == key["kid"] for other in keys):
        raise ValueError(f"{path} already has a key {key['kid']!r}; pass another --kid")
    # The last key signs. The new key may sign only after every service knows it.
    return {**present, "keys": [*keys[:-1], key, *keys[-1:]]}


def _write(path: Path, document: dict[str, Any], *, is_secret: bool) -> None:
    """Write ``document`` to ``path`` in one step. A secret is never readable by others, not even for a moment."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_secret else 0o644)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(document, indent=2) + "\n")
    fresh.replace(path)
