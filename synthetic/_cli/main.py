"""The command ``synthetic-traffic``: make keys and tokens, inspect a header, check an environment, run actors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from synthetic._cli.dial import dial
from synthetic._cli.doctor import doctor
from synthetic._cli.inspect import inspect
from synthetic._cli.keygen import keygen
from synthetic._cli.mint import mint, print_refused_header
from synthetic._cli.printed import Parser, complain, logged
from synthetic._cli.run import run, start
from synthetic._config.sources import file_in_use, for_a_shell
from synthetic._model.marker import KINDS
from synthetic.errors import SyntheticTrafficError

__all__ = ["main"]

_EXAMPLES = """\
examples:
  synthetic-traffic keygen --kid staging-1 --private private.jwks --public public.jwks
  synthetic-traffic keygen --kid staging-1 --shared shared.jwks
  synthetic-traffic mint --keys private.jwks --run rush-hour | curl -H @- http://localhost:8000/
  synthetic-traffic inspect --keys public.jwks "baggage: synthetic-traffic=eyJ..."
  synthetic-traffic doctor --app shop.main:app
  synthetic-traffic run rides.py --target staging
  synthetic-traffic dial rides.dial 40 --for 20m

Settings that you do not pass come from SYNTHETIC_* variables and synthetic.toml, as in a service.
Exit codes: 0 success, 1 the header does not verify, there is something to fix or a journey is not healthy, 2 wrong
arguments or configuration, 3 a guardrail has stopped the run.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    try:
        options, others = parser.parse_known_args(given)
        if others and options.run_command is not run:
            parser.error(f"unrecognized arguments: {' '.join(others)}")
        options.locust = others
    except SystemExit as ended:
        if ended.code and given[:1] == ["mint"]:
            print_refused_header()
        raise
    code = _run(parser, options)
    if options.run_command is run and not code:
        start()  # outside of the handling of errors: those of the file are shown whole
    if code and options.run_command is mint:
        print_refused_header(options.issuer)
    return code


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.run_command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        with logged():
            _name_the_file(options)
            code = int(options.run_command(options))
        sys.stdout.flush()
        return code
    except (SyntheticTrafficError, ValueError) as error:
        complain(for_a_shell(str(error)))
    except BrokenPipeError:
        # The reader has closed the pipe. Python would report it again when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        complain(f"{error.filename or ''}: {error.strerror}")
    return 2


def _name_the_file(options: argparse.Namespace) -> None:
    """Say which file the settings come from: a file in the working directory may be somebody else's."""
    file = file_in_use()
    if file is not None and options.run_command in (mint, inspect):
        complain(f"settings from {file.absolute()}")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="synthetic-traffic",
        description="Make keys and tokens for simulated traffic, check headers and environments, run simulated users.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('synthetic-traffic')}")
    parser.set_defaults(run_command=None)
    commands = parser.add_subparsers(title="commands", metavar="keygen | mint | inspect | doctor | run | dial")
    _add_keygen(commands)
    _add_mint(commands)
    _add_inspect(commands)
    _add_doctor(commands)
    _add_run(commands)
    _add_dial(commands)
    return parser


def _add_keygen(commands: Any) -> None:
    command = _command(
        commands,
        "keygen",
        keygen,
        "Make a key: an EdDSA pair, or one shared secret.",
        "synthetic-traffic keygen --kid staging-1 --private private.jwks --public public.jwks",
    )
    command.add_argument("--kid", help="the key's name (default: the date and four random characters)")
    command.add_argument(
        "--private", type=Path, metavar="FILE", help="file for the private key, which signs (default: private.jwks)"
    )
    command.add_argument(
        "--public", type=Path, metavar="FILE", help="file for the public key, which verifies (default: public.jwks)"
    )
    command.add_argument("--shared", type=Path, metavar="FILE", help="make one HS256 secret instead, in this file")
    command.add_argument("--append", action="store_true", help="add the key to existing files, before their last key")


def _add_mint(commands: Any) -> None:
    command = _command(
        commands,
        "mint",
        mint,
        "Print a header that marks a request as simulated, ready for curl -H @-.",
        "synthetic-traffic mint --keys private.jwks --run rush-hour --kind load | curl -H @- http://localhost:8000/",
    )
    command.add_argument("--run", required=True, help="the name of the simulation")
    command.add_argument("--kind", choices=KINDS, default="simulation")
    command.add_argument("--actor", help="the simulated user")
    command.add_argument("--scenario", help="what the user does")
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
    command.add_argument("--not-edge", action="store_true", help="check as a service that only your services can reach")
    _add_settings(command)


def _add_doctor(commands: Any) -> None:
    command = _command(
        commands,
        "doctor",
        doctor,
        "Report which installed libraries carry the marker, what prevents it, and what to do. Run it where the "
        "service runs: in its virtual environment, with its variables.",
        "synthetic-traffic doctor --app shop.main:app",
    )
    command.add_argument(
        "--app",
        metavar="MODULE:APP",
        help="also import the application, from the current folder, and check its middleware, guards and policy",
    )
    command.add_argument("--json", action="store_true", help="print the findings as a JSON list")
    _add_settings(command)


def _add_run(commands: Any) -> None:
    command = _command(
        commands,
        "run",
        run,
        "Run the users of a Locust file as simulated actors, until it is stopped. Every option of Locust works, "
        "for example -u 20 -t 5m --master --worker --html report.html. It runs without Locust's web page; --headful "
        "shows that.",
        "synthetic-traffic run rides.py --target staging",
    )
    command.add_argument("file", metavar="FILE", help="the Locust file")
    command.add_argument("--target", metavar="NAME", help="the table [drive.NAME] of the configuration file")


def _add_dial(commands: Any) -> None:
    command = _command(
        commands,
        "dial",
        dial,
        "Turn the dial of a run: say how many actors act, and for how long; end the run; or show what the dial says. "
        "With --hold, turn it again and again so that a measurement of real traffic stays below a limit.",
        "synthetic-traffic dial rides.dial 40 --for 20m",
    )
    command.add_argument("file", metavar="FILE", help="the dial's file; show also takes a URL")
    command.add_argument("to", nargs="?", metavar="USERS | stop | show", help="what to set it to")
    command.add_argument("--for", dest="lease", metavar="TIME", help="for how long, as in 20m; at most 24h")
    command.add_argument("--rate", type=float, metavar="N", help="how many actors start each second (default: 10)")
    command.add_argument("--hold", metavar="PROMQL", help="the query whose answer is to stay below the limit")
    command.add_argument("--below", type=float, metavar="X", help="the limit")
    command.add_argument("--prometheus", metavar="URL", help="the Prometheus server that answers the query")
    command.add_argument("--most", type=int, metavar="USERS", help="the most users that it may set")


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
