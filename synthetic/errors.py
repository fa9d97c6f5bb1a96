"""Everything that synthetic raises on purpose.

SyntheticTrafficError
├── ConfigurationError     a setting is wrong; raised at start-up (also a ValueError)
├── UnverifiedMarker       the work carries a marker that cannot be verified: neither answer would be safe
├── MessageRefused         a message or task carries a marker that was not admitted: it must not be handled
└── EffectRefused          a guard refused an effect for simulated work
    └── ExternalCallRefused    a call of simulated work to a host that does not take part
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthetic._reason import Reason, detail_of

if TYPE_CHECKING:
    from synthetic._marker import Marker

__all__ = [
    "ConfigurationError",
    "EffectRefused",
    "ExternalCallRefused",
    "MessageRefused",
    "SyntheticTrafficError",
    "UnverifiedMarker",
]


class SyntheticTrafficError(Exception):
    """The base of every error below."""


class ConfigurationError(SyntheticTrafficError, ValueError):
    """A setting has a value that cannot work.

    ``setting`` names it, ``source`` says where the value came from (an argument, a variable, a file), or is None where
    the error concerns no single setting.
    """

    def __init__(self, message: str, *, setting: str | None = None, source: str | None = None) -> None:
        super().__init__(message)
        self.setting = setting
        self.source = source


class UnverifiedMarker(SyntheticTrafficError):
    """This work carries a marker that does not verify, so it is known neither as simulated nor as real.

    ``reason`` is the code of what is wrong with it.
    """

    def __init__(self, reason: Reason) -> None:
        hint = _HINTS.get(reason.value, "Admit requests with SyntheticTrafficMiddleware, which refuses such markers.")
        super().__init__(
            f"this work carries a marker that cannot be verified ({reason.value}): it is neither executed as real nor "
            f"believed. {hint}"
        )
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnverifiedMarker], tuple[Reason]]:
        return type(self), (self.reason,)


class MessageRefused(SyntheticTrafficError):
    """A message or task was not admitted: it must neither be handled as real nor believed.

    Raise it where the broker's own retry or dead-letter handling sees it. ``reason`` is the code of why;
    ``is_later`` is True where the same message may be admitted later, so that it should be delivered again.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"this message was not admitted ({reason.value}). {detail_of(reason, 'message')}")
        self.reason = reason

    @property
    def is_later(self) -> bool:
        """Whether the same message may be admitted later."""
        return self.reason.is_later

    def __reduce__(self) -> tuple[type[MessageRefused], tuple[Reason]]:
        return type(self), (self.reason,)


class EffectRefused(SyntheticTrafficError):
    """A guard refused ``effect`` for the simulated work described by ``marker``; ``target`` is what was not called.

    ``marker`` is None where it was not verified: a call with a hand-made header, outside of any admitted work.
    """

    def __init__(self, message: str, *, effect: str, marker: Marker | None, target: str) -> None:
        super().__init__(message)
        self.effect = effect
        self.marker = marker
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        # The facts are keyword-only, so that pickling (a process pool hands errors back that way) restores them apart.
        return _restore, (type(self), self.args, dict(self.__dict__))


class ExternalCallRefused(EffectRefused):
    """Simulated work called ``host`` (the ``target``), which does not take part and which no policy lets it call."""

    @property
    def host(self) -> str:
        """The host name that was not called."""
        return self.target


_NEEDS_KEYS = "Configure the keys that verify it: keys=, SYNTHETIC_KEYS, or keys in synthetic.toml."
_HINTS = {"no-keys": _NEEDS_KEYS, "unknown-key": _NEEDS_KEYS}


def _restore(kind: type[EffectRefused], args: tuple[object, ...], facts: dict[str, object]) -> EffectRefused:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error
