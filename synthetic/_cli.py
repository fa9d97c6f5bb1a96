"""The command ``synthetic-traffic``: keys, tokens for ``curl``, and a look into a header."""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import sys
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from synthetic._admission import Entrance, admit
from synthetic._baggage import find
from synthetic._config import active, configure
from synthetic._marker import KINDS
from synthetic._scope import headers, simulated
from synthetic._token import unverified_parts
from synthetic.errors import SyntheticTrafficError

__all__ = ["main"]

_EXAMPLES = """\
examples:
  synthetic-traffic keygen --kid staging-1 --private private.jwks --public public.jwks
  synthetic-traffic keygen --kid staging-1 --shared shared.jwks
  curl -H "$(synthetic-traffic mint --keys private.jwks --run rush-hour)" http://localhost:8000/
  synthetic-traffic inspect --keys public.jwks "baggage: synthetic-traffic=eyJ..."

Settings that are not given are read from SYNTHETIC_* variables and synthetic.toml, as services read them.
Exit codes: 0 done, 1 the header does not verify, 2 wrong arguments or configuration.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run_command(options))
    except (SyntheticTrafficError, ValueError) as error:
        print(f"synthetic-traffic: {error}", file=sys.stderr)
    except OSError as error:
        print(f"synthetic-traffic: {error.filename or ''}: {error.strerror}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="synthetic-traffic",
        description="Keys and tokens for simulated traffic.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="keygen | mint | inspect")
    _add_keygen(commands)
    _add_mint(commands)
    _add_inspect(commands)
    return parser


def _add_keygen(commands: Any) -> None:
    command = _command(
        commands,
        "keygen",
        _keygen,
        "Make a key: an EdDSA pair, or one shared secret.",
        "synthetic-traffic keygen --kid staging-1 --private private.jwks --public public.jwks",
    )
    command.add_argument("--kid", help="the key's name (default: the date and four random characters)")
    command.add_argument(
        "--private", type=Path, metavar="FILE", help="where the signing key goes (default: private.jwks)"
    )
    command.add_argument("--public", type=Path, metavar="FILE", help="where services' key goes (default: public.jwks)")
    command.add_argument("--shared", type=Path, metavar="FILE", help="make one HS256 secret instead, into this file")
    command.add_argument("--append", action="store_true", help="add the key to files that exist, before their last key")


def _add_mint(commands: Any) -> None:
    command = _command(
        commands,
        "mint",
        _mint,
        "Print a header that marks a request as simulated, ready for curl -H.",
        'curl -H "$(synthetic-traffic mint --keys private.jwks --run rush-hour --kind load)" http://localhost:8000/',
    )
    command.add_argument("--run", required=True, help="the name of the simulation")
    command.add_argument("--kind", choices=KINDS, default="simulation")
    command.add_argument("--actor", help="the simulated user")
    command.add_argument("--scenario", help="what that user is doing")
    command.add_argument("--lifetime", metavar="TIME", help="seconds, or as in 10m (default: 10m; at most 24h)")
    _add_settings(command)


def _add_inspect(commands: Any) -> None:
    command = _command(
        commands,
        "inspect",
        _inspect,
        "Show what a header says, and whether it verifies here and now.",
        'synthetic-traffic inspect --keys public.jwks "baggage: synthetic-traffic=eyJ..."',
    )
    command.add_argument("header", help="a baggage header, its value, or a token; - reads it from standard input")
    command.add_argument("--not-edge", action="store_true", help="judge as a service that only others here can reach")
    _add_settings(command)


def _command(commands: Any, name: str, run: Any, text: str, example: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example:\n  {example}\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run_command=run)
    return command


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--keys", metavar="FILE", help="the JWKS (default: SYNTHETIC_KEYS, synthetic.toml)")
    command.add_argument("--environment", metavar="NAME", help="the environment (default: SYNTHETIC_ENVIRONMENT)")
    command.add_argument("--issuer", metavar="NAME", help="the issuer (default: synthetic-traffic)")


def _keygen(options: argparse.Namespace) -> int:
    key_id = options.kid or f"{datetime.now(timezone.utc):%Y-%m-%d}-{secrets.token_hex(2)}"
    if options.shared:
        if options.private or options.public:
            raise ValueError("--shared makes one secret; it goes with neither --private nor --public")
        secret = {"kty": "oct", "alg": "HS256", "kid": key_id, "k": _encoded(secrets.token_bytes(32))}
        _write_keys([(options.shared, secret, 0o600)], append=options.append)
        print(f"wrote {options.shared}: the secret {key_id!r}, which signs and verifies. Every service needs it.")
        return 0
    private, public = _ed25519(key_id)
    private_file = options.private or Path("private.jwks")
    public_file = options.public or Path("public.jwks")
    _write_keys([(private_file, private, 0o600), (public_file, public, 0o644)], append=options.append)
    print(f"wrote {private_file}: the key {key_id!r}, which signs. Only what starts simulations needs it.")
    print(f"wrote {public_file}: its public half, which verifies. Every service needs it.")
    return 0


def _ed25519(key_id: str) -> tuple[dict[str, str], dict[str, str]]:
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


def _write_keys(keys: list[tuple[Path, dict[str, str], int]], *, append: bool) -> None:
    """Write each key to its file, all or none where a file is in the way; never over a key that is there."""
    documents = [(path, _with_key(path, key, append=append), mode) for path, key, mode in keys]
    for path, document, mode in documents:
        fresh = path.with_name(path.name + ".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2) + "\n")
        fresh.replace(path)


def _with_key(path: Path, key: dict[str, str], *, append: bool) -> dict[str, Any]:
    if not path.exists():
        return {"keys": [key]}
    if not append:
        raise ValueError(f"{path} exists; --append adds the key to it, or give another file")
    try:
        present = json.loads(path.read_text(encoding="utf-8"))
        keys = list(present["keys"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} exists and is not a JWKS") from None
    if any(other.get("kid") == key["kid"] for other in keys):
        raise ValueError(f"{path} has a key {key['kid']!r} already; give another --kid")
    # Before the last, which signs: first every service must know the new key, then it may sign.
    return {**present, "keys": [*keys[:-1], key, *keys[-1:]]}


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _mint(options: argparse.Namespace) -> int:
    configure(keys=options.keys, environment=options.environment, issuer=options.issuer, lifetime=options.lifetime)
    with simulated(run=options.run, kind=options.kind, actor=options.actor, scenario=options.scenario):
        print(f"baggage: {headers()['baggage']}")
    return 0


def _inspect(options: argparse.Namespace) -> int:
    configure(keys=options.keys, environment=options.environment, issuer=options.issuer)
    config = active()
    text = sys.stdin.readline() if options.header == "-" else options.header
    header = _value_of(text.strip(), config.key)
    found = find((header,), config.key)
    values = (*found.values, *found.odd)
    if not values:
        print(f"no entry {config.key!r} in this header: the request is real")
        return 1
    for value in values:
        _describe(value)
    logging.getLogger("synthetic").addHandler(logging.NullHandler())  # the refusal is printed, not logged
    _, reason, _ = admit((header,), Entrance(edge=not options.not_edge), config)
    print(f"verdict    {'good: simulated' if reason is None else f'refused: {reason.value}'}")
    return 0 if reason is None else 1


def _value_of(text: str, key: str) -> str:
    """The header's value, whether the header, its value or a bare token was given."""
    name, colon, rest = text.partition(":")
    value = rest.strip() if colon and name.strip().lower() == "baggage" else text
    return f"{key}={value}" if "=" not in value and value.count(".") == 2 else value


def _describe(value: str) -> None:
    """Print what a value says of itself: its claims, believed or not, and never its signature."""
    header, claims = unverified_parts(value)
    if header is None or claims is None:
        print("entry      not a token")
        return
    print(f"key        {header.get('kid')!r} {header.get('alg')} {header.get('typ')}")
    for label, name in (("run", "run"), ("kind", "kind"), ("actor", "sub"), ("scenario", "scenario")):
        if name in claims:
            print(f"{label:<10} {claims[name]!r}")
    print(f"for        environment {claims.get('aud')!r}, issuer {claims.get('iss')!r}")
    print(f"issued     {_time(claims.get('iat'))}")
    print(f"expires    {_time(claims.get('exp'))}")


def _time(value: object) -> str:
    try:
        return f"{datetime.fromtimestamp(value, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        return repr(value)
