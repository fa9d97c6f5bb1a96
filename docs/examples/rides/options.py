"""The command line of the demo."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES = """\
examples:
  make demo
  make demo ARGS="--seconds 30 --riders 20"
  python docs/examples/rides --policy my-policy.toml

Exit codes: 0 no difference, 1 a difference or a service that failed, 2 wrong arguments, 130 interrupted.
"""


@dataclass
class Options:
    seconds: float
    riders: int
    seed: int
    policy: Path


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Return the options, or end the program with code 2 and a line that says what works."""
    parser = argparse.ArgumentParser(
        prog="rides",
        description="Real and simulated riders in one small company; then a table of what reached its books.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    seconds, riders, seed = number(float, 1, 600), number(int, 1, 100), number(int, 0, 2**32 - 1)
    policy = Path(__file__).parent / "policy.toml"
    parser.add_argument("--seconds", type=seconds, default=8, metavar="N", help="how long, 1 to 600 (default: 8)")
    parser.add_argument(
        "--riders", type=riders, default=6, metavar="N", help="riders of each kind, 1 to 100 (default: 6)"
    )
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="of names and distances (default: 1)")
    parser.add_argument(
        "--policy", type=Path, default=policy, metavar="FILE", help="another policy.toml, with a table [demo]"
    )
    return Options(**vars(parser.parse_args(arguments)))


def number(kind: Callable[[str], Any], least: int, most: int) -> Callable[[str], Any]:
    """A reader of numbers from ``least`` to ``most``."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what} from {least} to {most}")
        return value

    return read
