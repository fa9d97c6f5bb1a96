"""The keys: a JWKS. All keys verify, and the last private or shared key signs (docs/protocol.md, "Keys")."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from synthetic._wire.claims import Claims
from synthetic._wire.memory import Memory
from synthetic.errors import ConfigurationError

if TYPE_CHECKING:
    from jwt import PyJWK

__all__ = ["Key", "Keys", "keys_in", "parse_keys"]

VERIFIED: Final = 16_384
"""How many authentic tokens a generation of keys remembers."""

FORGED: Final = 1_024
"""How many refused signatures it remembers, as 16-byte digests."""

_MINIMUM_SECRET = 32
"""Bytes of a shared secret: RFC 7518, section 3.2, asks for at least the size of the hash."""

_ALGORITHMS = {"oct": "HS256", "OKP": "EdDSA"}


@dataclass(frozen=True, repr=False)
class Key:
    """One key of a JWKS, ready for use. Its repr holds no secret."""

    key_id: str
    algorithm: str
    jwk: PyJWK
    can_sign: bool

    def __repr__(self) -> str:
        return f"<Key {self.key_id!r} {self.algorithm}{' signs' if self.can_sign else ''}>"


@dataclass(frozen=True, eq=False)
class Keys:
    """One generation of keys. It is replaced as a whole, so no generation inherits tokens that another one verified."""

    by_id: Mapping[str, Key]
    signer: Key | None
    verified: Memory[str, Claims] = field(default_factory=lambda: Memory[str, Claims](VERIFIED), repr=False)
    """The tokens that these keys have verified."""
    signed: Memory[tuple[object, ...], tuple[str, float]] = field(
        default_factory=lambda: Memory[tuple[object, ...], tuple[str, float]](VERIFIED), repr=False
    )
    """The tokens that this process signed with these keys, and when to sign each of them again."""
    forged: Memory[bytes, bool] = field(default_factory=lambda: Memory[bytes, bool](FORGED), repr=False)
    """Digests of tokens with a bad signature. They are kept apart, so that forgeries evict no good token."""


def parse_keys(text: str) -> Keys | None:
    """Return the keys of a JWKS in JSON text; None if it lists none. Raises ValueError, which never quotes the text."""
    try:
        document, problem = json.loads(text), ""
    except json.JSONDecodeError as error:
        document, problem = None, f"the JWKS is not JSON: line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError):
        document, problem = None, "the JWKS is not JSON"
    if problem:
        raise ValueError(problem)
    if not isinstance(document, dict):
        raise ValueError('the JWKS is not a JSON object with a "keys" list')
    return keys_in(cast("dict[str, Any]", document))


def keys_in(document: Mapping[str, Any]) -> Keys | None:
    """Return the keys of a JWKS; None if its list is empty. Raises ValueError for one that cannot work."""
    listed = cast("list[Any] | None", document.get("keys"))
    if not isinstance(listed, list):
        raise ValueError('the JWKS has no "keys" list; make one with: synthetic-traffic keygen')
    if not listed:
        return None
    by_id: dict[str, Key] = {}
    for position, jwk in enumerate(listed):
        key = _key_from(jwk, position)
        if key.key_id in by_id:
            raise ValueError(f"two keys have the kid {key.key_id!r}; give each key its own kid")
        by_id[key.key_id] = key
    signers = [key for key in by_id.values() if key.can_sign]
    return Keys(by_id, signers[-1] if signers else None)


def _key_from(jwk: Any, position: int) -> Key:
    if not isinstance(jwk, dict):
        raise ValueError(f"key number {position + 1} is not a JSON object")
    fields = cast("dict[str, Any]", jwk)
    key_id = fields.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise ValueError(f"key number {position + 1} has no kid; every key needs one, because tokens name their key")
    algorithm = _algorithm_of(fields, key_id)
    return Key(key_id, algorithm, _usable(fields, key_id, algorithm), fields["kty"] == "oct" or "d" in fields)


def _algorithm_of(fields: dict[str, Any], key_id: str) -> str:
    algorithm = _ALGORITHMS.get(str(fields.get("kty")))
    if algorithm is None or (algorithm == "EdDSA" and fields.get("crv") != "Ed25519"):
        raise ValueError(
            f"key {key_id!r} has kty={fields.get('kty')!r} crv={fields.get('crv')!r}; "
            "only OKP with Ed25519 (EdDSA) and oct (HS256) are supported"
        )
    if fields.get("alg", algorithm) != algorithm:
        raise ValueError(f"key {key_id!r} has alg={fields['alg']!r}, but its kty={fields['kty']!r} means {algorithm}")
    if fields.get("use", "sig") != "sig":
        raise ValueError(f"key {key_id!r} has use={fields['use']!r}; a key for signatures has use='sig' or none")
    return algorithm


def _usable(fields: dict[str, Any], key_id: str, algorithm: str) -> PyJWK:
    from jwt import PyJWK
    from jwt.exceptions import MissingCryptographyError, PyJWTError

    jwk = None
    is_extra_missing = False
    try:
        jwk = PyJWK(fields, algorithm)
    except MissingCryptographyError:
        is_extra_missing = True
    except (PyJWTError, ValueError, TypeError, LookupError):
        pass  # the error quotes the key, secret part included
    if is_extra_missing:
        raise ConfigurationError(
            f'key {key_id!r} is EdDSA, which needs an extra: pip install "synthetic-traffic[eddsa]"'
        )
    if jwk is None:
        raise ValueError(f"key {key_id!r} is not a usable {algorithm} key: a field is missing or damaged")
    if algorithm == "HS256" and len(jwk.key) < _MINIMUM_SECRET:
        raise ValueError(
            f"key {key_id!r} has {len(jwk.key)} bytes; an oct key needs at least {_MINIMUM_SECRET} "
            "(synthetic-traffic keygen --shared makes one)"
        )
    return jwk
