"""The command ``synthetic-traffic``: keys, tokens for ``curl``, a look into a header, and one at the environment."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from synthetic._config import configure
from synthetic._doctor import doctor
from synthetic._inspect import inspect
from synthetic._keygen import add_key, eddsa_pair, shared_secret, write
from synthetic._marker import KINDS
from synthetic._scope import headers, simulated
from synthetic._settings import for_a_shell
from synthetic._token import TYPE
from synthetic.errors import SyntheticTrafficError

__all__ = ["main"]

_EXAMPLES = """\
examples:
  synthetic-traffic keygen --kid staging-1 --private private.jwks --public public.jwks
  synthetic-traffic keygen --kid staging-1 --shared shared.jwks
  curl -H "$(synthetic-traffic mint --keys private.jwks --run rush-hour)" http://localhost:8000/
  synthetic-traffic inspect --keys public.jwks "baggage: synthetic-traffic=eyJ..."
  synthetic-traffic doctor

Settings that are not given are read from SYNTHETIC_* variables and synthetic.toml, as services read them.
Exit codes: 0 done, 1 the header does not verify or something is to be fixed, 2 wrong arguments or configuration.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    try:
        options = parser.parse_args(given)
    except SystemExit as ended:
        if ended.code and given[:1] == ["mint"]:
            _print_refused_header()
        raise
    code = _run(parser, options)
    if code and options.run_command is _mint:
        _print_refused_header(options.issuer)
    return code


def _print_refused_header(issuer: str | None = None) -> None:
    """Print a header that every service refuses: ``curl -H ""`` would send a request without one, a real one."""
    parts = ({"typ": TYPE, "alg": "none"}, {"iss": issuer or os.environ.get("SYNTHETIC_ISSUER") or "synthetic-traffic"})
    header, claims = (urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    print(f"baggage: {os.environ.get('SYNTHETIC_KEY') or 'synthetic-traffic'}={header}.{claims}.mintfailed00")


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.run_command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        code = int(options.run_command(options))
        sys.stdout.flush()
        return code
    except (SyntheticTrafficError, ValueError) as error:
        print(f"synthetic-traffic: {for_a_shell(str(error))}", file=sys.stderr)
    except BrokenPipeError:
        # Whoever read our output has enough of it; Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
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
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('synthetic-traffic')}")
    parser.set_defaults(run_command=None)
    commands = parser.add_subparsers(title="commands", metavar="keygen | mint | inspect | doctor")
    _add_keygen(commands)
    _add_mint(commands)
    _add_inspect(commands)
    _add_doctor(commands)
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
    command.add_argument(
        "--lifetime",
        metavar="TIME",
        help="seconds, or as in 10m (default: 10m; at most 24h); services accept 30 s more, because clocks differ",
    )
    _add_settings(command)


def _add_inspect(commands: Any) -> None:
    command = _command(
        commands,
        "inspect",
        inspect,
        "Show what a header says, and whether it verifies here and now.",
        'synthetic-traffic inspect --keys public.jwks "baggage: synthetic-traffic=eyJ..."',
    )
    command.add_argument("header", help="a baggage header, its value, or a token; - reads headers from standard input")
    command.add_argument("--not-edge", action="store_true", help="judge as a service that only others here can reach")
    _add_settings(command)


def _add_doctor(commands: Any) -> None:
    command = _command(
        commands,
        "doctor",
        doctor,
        "Say which installed libraries carry the marker, what stands in its way, and what to do. Run it where the "
        "service runs: in its virtual environment, with its variables.",
        "synthetic-traffic doctor",
    )
    command.add_argument("--json", action="store_true", help="print a list of findings for a program to read")
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
    key_id: str = options.kid or f"{datetime.now(timezone.utc):%Y-%m-%d}-{secrets.token_hex(2)}"
    if options.shared and (options.private or options.public):
        raise ValueError("--shared makes one secret; it goes with neither --private nor --public")
    if options.shared:
        files = [(options.shared, shared_secret(key_id), "signs and verifies; every service needs it")]
    else:
        private, public = eddsa_pair(key_id)
        files = [
            (options.private or Path("private.jwks"), private, "signs; only what starts simulations needs it"),
            (options.public or Path("public.jwks"), public, "verifies; every service needs it"),
        ]
    # All or none, where a file is in the way.
    documents = [(path, add_key(path, key, append=options.append), key, use) for path, key, use in files]
    for path, document, key, use in documents:
        write(path, document, is_secret="d" in key or "k" in key)
        last = document["keys"][-1]["kid"]
        if last == key_id:
            print(f"wrote {path}: the key {key_id!r}, which {use}")
        else:
            print(f"added {key_id!r} to {path}, before {last!r}, which still signs.")
            print(f"When every service has the new file, move {key_id!r} to the end of the list.")
    return 0


def _mint(options: argparse.Namespace) -> int:
    configure(
        keys=options.keys,
        environment=options.environment,
        issuer=options.issuer,
        lifetime=options.lifetime,
        policy={},
    )
    with simulated(run=options.run, kind=options.kind, actor=options.actor, scenario=options.scenario):
        print(f"baggage: {headers()['baggage']}")
    return 0
