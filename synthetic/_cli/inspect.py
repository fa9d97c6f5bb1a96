"""``synthetic-traffic inspect``: what a header says, and whether it verifies here and now."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timezone

from synthetic._admission.decision import Refused
from synthetic._admission.entrance import Entrance
from synthetic._cli.printed import named, say, unlogged
from synthetic._config.configuration import Configuration
from synthetic._config.in_force import active, configure
from synthetic._model.reason import Reason
from synthetic._wire.baggage import find
from synthetic._wire.keys import Keys
from synthetic._wire.token import unverified_parts

__all__ = ["inspect"]


def inspect(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    configure(
        keys=options.keys,
        environment=options.environment,
        issuer=options.issuer,
        policy={},
        uninstrumented="admit",
    )
    config = active()
    keys = config.keys.current()
    if keys is None:
        raise ValueError(
            "no keys are configured, so nothing can be verified: pass --keys public.jwks, "
            "or set SYNTHETIC_KEYS or keys in synthetic.toml"
        )
    lines = sys.stdin.read().splitlines() if options.header == "-" else [options.header]
    headers = [_value_of(line.strip(), config.key) for line in _baggage_lines(lines)]
    found = find(headers, config.key)
    if found.is_empty:
        say(f"no entry {config.key!r} in this header: the request is real")
        return 1
    for value in dict.fromkeys((*found.values, *found.odd)):
        _describe(value)
    with unlogged():  # the refusal is printed
        entrance = Entrance(edge=not options.not_edge, on_unverified="refuse", on_missing="real", has_places=False)
        decision = entrance.decide(headers)
    if not isinstance(decision, Refused):
        say("verdict    good: simulated")
        return 0
    reason = decision.reason
    say(f"verdict    refused: {reason.value} ({_explained(reason, found.values, config, keys)})")
    return 1


def _explained(reason: Reason, values: tuple[str, ...], config: Configuration, keys: Keys) -> str:
    header, claims = unverified_parts(values[0] if values else "")
    header, claims = header or {}, claims or {}
    known = ", ".join(map(repr, keys.by_id))
    return {
        Reason.MALFORMED: "not three segments of canonical base64url, or the entry has an unusual spelling",
        Reason.TOO_LONG: "an entry may have at most 1024 bytes, and all headers together at most 65536",
        Reason.AMBIGUOUS: "several entries hold different tokens",
        Reason.UNKNOWN_KEY: f"the key {header.get('kid')!r} is not in this JWKS, which has {known}",
        Reason.BAD_SIGNATURE: f"the key {header.get('kid')!r} did not sign this",
        Reason.WRONG_TYPE: f"typ {header.get('typ')!r} with alg {header.get('alg')!r} is not a marker of this key",
        Reason.INVALID_CLAIMS: "a claim is missing or has the wrong type, or the lifetime is over 24 hours",
        Reason.WRONG_ISSUER: f"signed for {claims.get('iss')!r}, not for {config.issuer!r}; change that with --issuer",
        Reason.WRONG_ENVIRONMENT: (
            f"signed for {claims.get('aud')!r}, not for {config.environment!r}; change that with --environment"
        ),
        Reason.NOT_YET_VALID: "issued in the future: a clock is wrong",
        Reason.EXPIRED: "it has expired; --not-edge checks it as an internal service does",
        Reason.HALTED: "its run is halted",
    }.get(reason, "check the SYNTHETIC_* variables and synthetic.toml")


def _baggage_lines(lines: Sequence[str]) -> list[str]:
    """Return the ``baggage`` headers among ``lines``, also in the format of ``curl -v``; all lines if there is none."""
    stripped = [re.sub(r"^\s*[<>*]?\s*", "", line) for line in lines]
    return [line for line in stripped if line.lower().startswith("baggage:")] or [line for line in stripped if line]


def _value_of(text: str, key: str) -> str:
    """Return the header's value, from a header, a value or a bare token."""
    name, colon, rest = text.partition(":")
    value = rest.strip() if colon and name.strip().lower() == "baggage" else text
    return f"{key}={value}" if "=" not in value and value.count(".") == 2 else value


def _describe(value: str) -> None:
    """Print the header and claims of a token, verified or not, and never its signature."""
    header, claims = unverified_parts(value)
    if header is None or claims is None:
        say("entry      not a token")
        return
    say(f"key        {header.get('kid')!r} {named(header.get('alg'))} {named(header.get('typ'))}")
    for label, name in (("run", "run"), ("kind", "kind"), ("actor", "sub"), ("scenario", "scenario")):
        if name in claims:
            say(f"{label:<10} {claims[name]!r}")
    say(f"for        environment {claims.get('aud')!r}, issuer {claims.get('iss')!r}")
    say(f"issued     {_time(claims.get('iat'))}")
    say(f"expires    {_time(claims.get('exp'))}")


def _time(value: object) -> str:
    try:
        return f"{datetime.fromtimestamp(value, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        return repr(value)
