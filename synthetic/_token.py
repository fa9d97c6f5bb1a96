"""The token: a marker signed, as it travels (PROTOCOL, "The token" and "Verification").

A JWS in compact form, checked with PyJWT. Nothing here raises for what comes from outside: a token that is not good
gives the Reason why.
"""

from __future__ import annotations

import json
import os
import re
import threading
from base64 import urlsafe_b64decode
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, TypeGuard, TypeVar, cast
from urllib.parse import unquote

from synthetic._marker import Marker
from synthetic._reason import Reason

if TYPE_CHECKING:
    from synthetic._keys import Key, Keys
    from synthetic._verdict import Received

__all__ = [
    "ENTRY_LIMIT",
    "FORGED",
    "LEEWAY",
    "LONGEST_LIFETIME",
    "TYPE",
    "VERIFIED",
    "Claims",
    "Memory",
    "authenticate",
    "names_us",
    "sign",
    "unverified_parts",
]

TYPE = "synthetic+jwt"
"""The ``typ`` of a token: another JWT under the same key is never a marker (RFC 8725, section 3.11)."""

ENTRY_LIMIT = 1024
"""Bytes of our entry, key included."""

LEEWAY = 30
"""Seconds by which clocks may differ."""

LONGEST_LIFETIME = 24 * 3600
"""Seconds between ``iat`` and ``exp``, enforced when a token is verified too."""

VERIFIED = 16_384
"""How many authentic tokens a generation of keys remembers."""

FORGED = 1_024
"""How many refused signatures it remembers, as 16-byte digests."""

_FAR = 1e11
"""Seconds; a time beyond the year 5000 is not a time, and would overflow arithmetic on the way."""

# Canonical base64url: the unused bits of the last character are zero, so that one signature has one spelling.
_SEGMENT = r"(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?"
_TOKEN = re.compile(rf"(?=[\w-]+\.[\w-]+\.[\w-])({_SEGMENT})\.({_SEGMENT})\.{_SEGMENT}", re.ASCII)

K = TypeVar("K")
V = TypeVar("V")


_remembering = threading.Lock()


def _renew_lock() -> None:
    """In a forked child the lock may be held by a thread that is not there."""
    global _remembering
    _remembering = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class Memory(Generic[K, V]):
    """A bounded mapping that forgets what was remembered first. Reading takes no lock."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._items: OrderedDict[K, V] = OrderedDict()
        self.get = self._items.get

    def remember(self, key: K, value: V) -> None:
        """Remember ``value``, and forget the oldest where there is no more room."""
        with _remembering:
            self._items[key] = value
            while len(self._items) > self.limit:
                self._items.popitem(last=False)

    def __len__(self) -> int:
        return len(self._items)


class Claims:
    """What an authentic token says. Times are seconds since the epoch."""

    __slots__ = ("environment", "expires_at", "issued_at", "issuer", "marker", "verdict")

    def __init__(self, marker: Marker, *, issuer: str, environment: str, issued_at: float, expires_at: float) -> None:
        self.marker = marker
        self.issuer = issuer
        self.environment = environment
        self.issued_at = issued_at
        self.expires_at = expires_at
        self.verdict: Received | None = None
        """The verdict on work that carries the token, once it was made: there is one for all of it."""

    def refusal(self, issuer: str, environment: str, now: float, retention: float = 0) -> Reason | None:
        """Return why the claims are not good here and now, or None.

        ``retention`` is for how many seconds after its expiry a token stays good for work that was admitted in time.
        """
        if self.issuer != issuer:
            return Reason.WRONG_ISSUER
        if self.environment != environment:
            return Reason.WRONG_ENVIRONMENT
        if self.issued_at > now + LEEWAY:
            return Reason.NOT_YET_VALID
        if self.expires_at + LEEWAY + retention <= now:
            return Reason.EXPIRED
        return None


def sign(
    keys: Keys, marker: Marker, *, issuer: str, environment: str, now: float, lifetime: float
) -> tuple[str, float]:
    """Return a token for ``marker`` and the time at which it expires. The last key that can sign signs.

    Raises LookupError where no key can sign.
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


def authenticate(keys: Keys, token: str) -> Claims | Reason:
    """Return the claims of a token that one of ``keys`` signed, or why it is not one. Times are not looked at."""
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


def names_us(value: str, issuer: str) -> bool:
    """Whether a value holds a token, whole or cut, quoted or encoded, that says it is a marker of ``issuer``.

    Believed only in order to refuse it: a token that was cut before its issuer counts as ours.
    """
    return any(_token_names_us(part.strip("\"'"), issuer) for part in unquote(value).split())


def _token_names_us(token: str, issuer: str) -> bool:
    header, claims = unverified_parts(token)
    return header is not None and header.get("typ") == TYPE and (claims is None or claims.get("iss") == issuer)


def unverified_parts(token: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the header and the claims that a value has in the form of a token; None for what it has not."""
    header, _, rest = token.partition(".")
    return _json_object(header), _json_object(rest.partition(".")[0])


def _is_signed(token: str, key: Key) -> bool:
    """Whether the signature is the key's. The header was looked at before: there is nothing else in a JWS to check."""
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
