"""The keys: a JWKS whose last key that can sign signs, and all of which verify (PROTOCOL, "Keys")."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from synthetic._token import FORGED, VERIFIED, Claims, Memory
from synthetic._watch import WatchedFile
from synthetic.errors import ConfigurationError

if TYPE_CHECKING:
    from jwt import PyJWK

__all__ = ["Key", "KeySource", "Keys", "load_keys", "parse_keys"]

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
    """One generation of keys: replaced as a whole, so that what one generation verified another does not inherit."""

    by_id: Mapping[str, Key]
    signer: Key | None
    verified: Memory[str, Claims] = field(default_factory=lambda: Memory[str, Claims](VERIFIED), repr=False)
    """The tokens that this generation is known to have signed."""
    signed: Memory[tuple[object, ...], tuple[str, float]] = field(
        default_factory=lambda: Memory[tuple[object, ...], tuple[str, float]](VERIFIED), repr=False
    )
    """The tokens that this process signed with it, and when each is to be signed anew."""
    forged: Memory[bytes, bool] = field(default_factory=lambda: Memory[bytes, bool](FORGED), repr=False)
    """Digests of tokens with a bad signature: apart, so that a flood of forgeries evicts no good token."""


class KeySource:
    """Where the keys come from: fixed ones, or a file that is read again when it changes."""

    def __init__(self, fixed: Keys | None = None, file: WatchedFile[Keys] | None = None) -> None:
        self._fixed = fixed
        self._file = file

    def current(self) -> Keys | None:
        """Return the generation in force; None where no keys are configured."""
        return self._fixed if self._file is None else self._file.content()


def load_keys(value: object, base: Path) -> KeySource:
    """Return the key source for a setting: a JWKS as a dict, as JSON text, or the path of a file that holds it.

    None gives a source without keys. Raises ValueError for a JWKS that cannot work; a relative path starts at ``base``.
    """
    if value is None:
        return KeySource()
    if isinstance(value, Mapping):
        return KeySource(_keys_from(cast("Mapping[str, Any]", value)))
    if isinstance(value, str) and value.lstrip().startswith(("{", "[", '"')):
        return KeySource(parse_keys(value))
    if isinstance(value, (str, Path)):
        return KeySource(file=_key_file(base / value))
    raise ValueError(f"is a {type(value).__name__}, not a JWKS: a dict, its JSON text, or the path of its file")


def _key_file(path: Path) -> WatchedFile[Keys]:
    try:
        return WatchedFile(path, lambda content: parse_keys(content.decode("utf-8-sig")))
    except OSError as error:
        # Only what is, or looks like, a file's name is quoted: it may be a secret that somebody took for a JWKS.
        is_name = os.path.exists(path) or 1 < len(path.suffix) <= len(".jwks.")
        named = str(path) if is_name else "what was given, which may be a secret and is not shown,"
        problem = (
            f"{named} is neither a JWKS in JSON nor the path of a file that can be read: {error.strerror}. "
            "Give the path of a JWKS, for example public.jwks; synthetic-traffic keygen makes one"
        )
    except UnicodeDecodeError:
        problem = "the key file is not UTF-8"
    # Raised out here: an error that is being handled would carry the file's content along as its context.
    raise ValueError(problem)


def parse_keys(text: str) -> Keys:
    """Return the keys of a JWKS in JSON text. Raises ValueError, which never quotes the text."""
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
    return _keys_from(cast("dict[str, Any]", document))


def _keys_from(document: Mapping[str, Any]) -> Keys:
    listed = cast("list[Any] | None", document.get("keys"))
    if not isinstance(listed, list) or not listed:
        raise ValueError('the JWKS has no "keys" list with at least one key; make one with: synthetic-traffic keygen')
    by_id: dict[str, Key] = {}
    for position, jwk in enumerate(listed):
        key = _key_from(jwk, position)
        if key.key_id in by_id:
            raise ValueError(f"two keys have the kid {key.key_id!r}; each needs its own")
        by_id[key.key_id] = key
    signers = [key for key in by_id.values() if key.can_sign]
    return Keys(by_id, signers[-1] if signers else None)


def _key_from(jwk: Any, position: int) -> Key:
    if not isinstance(jwk, dict):
        raise ValueError(f"key number {position + 1} is not a JSON object")
    fields = cast("dict[str, Any]", jwk)
    key_id = fields.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise ValueError(f"key number {position + 1} has no kid; every key needs one, as tokens name their key by it")
    algorithm = _algorithm_of(fields, key_id)
    return Key(key_id, algorithm, _usable(fields, key_id, algorithm), fields["kty"] == "oct" or "d" in fields)


def _algorithm_of(fields: dict[str, Any], key_id: str) -> str:
    algorithm = _ALGORITHMS.get(str(fields.get("kty")))
    if algorithm is None or (algorithm == "EdDSA" and fields.get("crv") != "Ed25519"):
        raise ValueError(
            f"key {key_id!r} has kty={fields.get('kty')!r} crv={fields.get('crv')!r}; "
            "only OKP with Ed25519 (EdDSA) and oct (HS256) are used"
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
        pass  # its message quotes the key, secret part included
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
