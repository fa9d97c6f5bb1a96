"""Releases that should not have been deployed: ``python releases.py payments`` or ``python releases.py rides``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "rides"))


def payments() -> None:
    """This release wants a currency for each charge. The release of rides that sends one is not out yet."""
    import payments

    def charge(ride: str, cents: int, currency: str) -> str:
        return f"charge-{ride}-{cents}-{currency}"

    payments.charge = charge
    payments.main()


def rides() -> None:
    """The line that installs the middleware got lost in this release. It takes every request for a real one."""
    import synthetic_starlette

    synthetic_starlette.install = lambda app: None
    import rides

    rides.main()


if __name__ == "__main__":
    {"payments": payments, "rides": rides}[sys.argv[1]]()
