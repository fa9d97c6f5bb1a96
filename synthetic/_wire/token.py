"""The token: a signed marker, as it travels (docs/protocol.md, "The token" and "Verification").

A token is a JWS in compact form (RFC 7515), checked with PyJWT. No input from outside raises an error here: ``verify``
returns the Reason why a token is not valid.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from synthetic._model.marker import Marker
from synthetic._model.reason import Reason
from synthetic._wire.claims import Claims
from synthetic._wire.spelling import is_complete, percent_decoded

if TYPE_CHECKING:
    from synthetic._wire.keys import Key, Keys

__all__ = [
    "ENTRY_LIMIT",
    "LONGEST_LIFETIME",
    "TYPE",
    "cut_part",
    "names_us",
    "sign",
    "unverified_parts",
    "verify",
]

TYPE = "synthetic+jwt"
"""The ``typ`` of a token. It keeps other JWTs under the same key from counting as markers (RFC 8725, section 3.11)."""

ENTRY_LIMIT = 1024
"""The most bytes that the marker's entry may have, key included."""

LONGEST_LIFETIME = 24 * 3600
"""The most seconds between ``iat`` and ``exp``. Verification enforces this too."""

_LONG_TEXT = re.compile(r"[\w.%-]{31,}", re.ASCII)
"""What may be a token, or its encoding. A header that holds ``TYPE`` has 31 characters or more."""

_MOST_READ = 8

_FAR = 1e11
"""Seconds since the epoch. Later times, beyond the year 5000, are invalid: they would overflow arithmetic."""

# Canonical base64url: the unused bits of the last character are zero, so that one signature has one spelling.
_SEGMENT = r"(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?"
_TOKEN = re.compile(rf"(?=[\w-]+\.[\w-]+\.[\w-])({_SEGMENT})\.({_SEGMENT})\.{_SEGMENT}", re.ASCII)


def sign(
    keys: Keys, marker: Marker, *, issuer: str, environment: str, now: float, lifetime: float
) -> tuple[str, float]:
    """Return a token for ``marker``, and the time at which it expires. The last key that can sign signs it.

    Raises LookupError if no key can sign.
    """
    from jwt.api_jws import encode

    key = keys.signer
    if key is None:
        raise LookupError("no key of the JWKS can sign")
    issued_at = int(now)
    expires_at = issued_at + int(lifetime)
    claims = {
        "iss": issuer,
        "aud": environment,
        "iat": issued_at,
        "exp": expires_at,
        "run": marker.run,
        "kind": marker.kind,
        "sub": marker.actor,
        "scenario": marker.scenario,
    }
    payload = {name: value for name, value in claims.items() if value is not None}
    text = json.dumps(payload, separators=(",", ":")).encode()
    headers = {"typ": TYPE, "kid": key.key_id}
    return encode(text, key.jwk.key, algorithm=key.algorithm, headers=headers), expires_at


def verify(keys: Keys, token: str) -> Claims | Reason:
    """Return the claims of a token that one of ``keys`` signed, or the reason why it is not. Times are not checked."""
    known = keys.verified.get(token)
    if known is not None:
        return known
    segments = _TOKEN.fullmatch(token) if len(token) <= ENTRY_LIMIT else None
    header = _json_object(segments[1]) if segments else None
    if header is None:
        return Reason.MALFORMED
    key_id = header.get("kid")
    key = keys.by_id.get(key_id) if isinstance(key_id, str) else None
    if key is None:
        return Reason.UNKNOWN_KEY
    if header.get("alg") != key.algorithm or "crit" in header:
        return Reason.WRONG_TYPE
    digest = _digest(token)
    if keys.forged.get(digest):
        return Reason.BAD_SIGNATURE
    if not _is_signed(token, key):
        keys.forged.remember(digest, True)
        return Reason.BAD_SIGNATURE
    if header.get("typ") != TYPE:
        return Reason.WRONG_TYPE
    claims = _claims_of(_json_object(segments[2]) if segments else None)
    if claims is None:
        return Reason.INVALID_CLAIMS
    keys.verified.remember(token, claims)
    return claims


def names_us(text: str, issuer: str) -> bool:
    """Whether ``text`` holds a token, whole or cut, quoted or encoded, that claims to be a marker of ``issuer``.

    The claim is used only to refuse. A token that was cut before its issuer counts too. So do more than ``_MOST_READ``
    texts that may be tokens, because it would take long to read them all.
    """
    encoded = filter(is_complete, _LONG_TEXT.findall(text))
    likely = [part for one in islice(encoded, _MOST_READ + 1) for part in percent_decoded(one).split()]
    return len(likely) > _MOST_READ or any(_token_names_us(part.strip("\"'"), issuer) for part in likely)


def _token_names_us(token: str, issuer: str) -> bool:
    header, claims = unverified_parts(token)
    return header is not None and header.get("typ") == TYPE and (claims is None or claims.get("iss") == issuer)


def unverified_parts(token: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the header and the claims of a token, without verifying it; None for a part that is missing or invalid."""
    header, _, rest = token.partition(".")
    return _json_object(header), _json_object(rest.partition(".")[0])


def cut_part(segment: str) -> str:
    """Return as much of the text of a segment as can be read, even if its end is missing."""
    try:
        return _decoded(segment[: len(segment) - len(segment) % 4]).decode("utf-8", "replace")
    except ValueError:
        return ""


def _is_signed(token: str, key: Key) -> bool:
    """Whether ``key`` made the signature. ``verify`` has checked the header, and a JWS has nothing else to check."""
    text, _, signature = token.rpartition(".")
    try:
        return bool(key.jwk.Algorithm.verify(text.encode("ascii"), key.jwk.key, _decoded(signature)))
    except (ValueError, TypeError):
        return False


def _claims_of(claims: dict[str, Any] | None) -> Claims | None:
    if claims is None:
        return None
    issuer, environment = claims.get("iss"), claims.get("aud")
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    if not (isinstance(issuer, str) and isinstance(environment, str)):
        return None
    if not (_is_time(issued_at) and _is_time(expires_at) and 0 < expires_at - issued_at <= LONGEST_LIFETIME):
        return None
    if claims.get("sub", "") is None or claims.get("scenario", "") is None:
        return None
    try:
        marker = Marker(claims["run"], claims["kind"], claims.get("sub"), claims.get("scenario"))
    except (KeyError, ValueError):
        return None
    return Claims(marker, issuer=issuer, environment=environment, issued_at=issued_at, expires_at=expires_at)


def _is_time(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and 0 <= value < _FAR


def _json_object(segment: str) -> dict[str, Any] | None:
    try:
        value = json.loads(_decoded(segment).decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _decoded(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _digest(token: str) -> bytes:
    from hashlib import blake2b

    return blake2b(token.encode("ascii"), digest_size=16).digest()
