"""The marker: who simulates what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

__all__ = ["KINDS", "Kind", "Marker", "is_name"]

Kind = Literal["simulation", "load", "monitor", "replay", "test"]
"""What sort of simulated work a marker stands for."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Marker:
    """Who simulates what: the content of a token, without its signature and its times.

    ``run`` names the whole simulation, ``kind`` its sort, ``actor`` the simulated user, and ``scenario`` what that user
    does. ``actor`` and ``scenario`` are None if the token does not name them. A name has 1 to 64 characters of
    ``[A-Za-z0-9._:-]``, and must hold no personal data. Any other value raises ValueError.
    """

    run: str
    kind: Kind = "simulation"
    actor: str | None = None
    scenario: str | None = None

    def __post_init__(self) -> None:
        _check_name("run", self.run)
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r} is not one of {', '.join(KINDS)}")
        for field in ("actor", "scenario"):
            value = cast("str | None", getattr(self, field))
            if value is not None:
                _check_name(field, value)


def is_name(value: object) -> bool:
    """Whether ``value`` can name a run, an actor or a scenario."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _check_name(field: str, value: object) -> None:
    if not is_name(value):
        raise ValueError(
            f"{field}={value!r} is not 1 to 64 characters of A-Z a-z 0-9 . _ : -, as in {field}='rush-hour'"
        )
