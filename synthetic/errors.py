"""The errors that synthetic raises on purpose.

SyntheticTrafficError
├── ConfigurationError     a setting is invalid (also a ValueError)
├── UnverifiedMarker       the work is neither real nor simulated: its marker cannot be verified, or it has outlived
│                          the simulated work that started it
├── MessageRefused         a message or task was not admitted and must not be handled
├── UndeclaredWork         nobody has declared whether work is simulated, in a process that only simulates
└── EffectRefused          a guard refused an effect of simulated work
    └── ExternalCallRefused    simulated work called a host that does not take part
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthetic._model.reason import Reason, detail_of

if TYPE_CHECKING:
    from synthetic._model.marker import Marker

__all__ = [
    "ConfigurationError",
    "EffectRefused",
    "ExternalCallRefused",
    "MessageRefused",
    "SyntheticTrafficError",
    "UndeclaredWork",
    "UnverifiedMarker",
]


class SyntheticTrafficError(Exception):
    """The base class of every error of this library."""


class ConfigurationError(SyntheticTrafficError, ValueError):
    """A setting is invalid. It is usually raised at start-up.

    ``setting`` is its name, and ``source`` says where the value came from: an argument, a variable or a file. Each is
    None if it is not known, or if the error concerns no single setting.
    """

    def __init__(self, message: str, *, setting: str | None = None, source: str | None = None) -> None:
        super().__init__(message)
        self.setting = setting
        self.source = source


class UnverifiedMarker(SyntheticTrafficError):
    """The work is neither real nor simulated: its marker does not verify, or it has outlived simulated work.

    Guards, instrumented clients, ``current`` and ``is_synthetic`` raise it. ``reason`` says what is wrong with the
    marker. It is ``Reason.OUTLIVED`` for a thread, task or timer that goes on after the simulated work that started it
    has ended.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(_OUTLIVED if reason is Reason.OUTLIVED else _REFUSED.format(reason.value, _hint(reason)))
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnverifiedMarker], tuple[Reason]]:
        return type(self), (self.reason,)


class UndeclaredWork(SyntheticTrafficError):
    """A call or message was not sent, because nobody has declared whether it is simulated or real.

    It is raised only with the setting ``undeclared="refuse"``, which is for a process that only simulates.
    """

    def __init__(self) -> None:
        super().__init__(_UNDECLARED)

    def __reduce__(self) -> tuple[type[UndeclaredWork], tuple[()]]:
        return type(self), ()


class MessageRefused(SyntheticTrafficError):
    """A message or task was not admitted, so it must not be handled.

    Let the broker's own retry or dead-letter handling see the error. ``reason`` says why the message was not admitted.
    ``is_later`` is True if the same message may be admitted later and should be delivered again.
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
    """A guard refused ``effect`` for simulated work. ``target`` names the function or host that was not called.

    ``marker`` describes the work. It is None for a call outside of admitted work whose header carries a marker: that
    marker was not verified.
    """

    def __init__(self, message: str, *, effect: str, marker: Marker | None, target: str) -> None:
        super().__init__(message)
        self.effect = effect
        self.marker = marker
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        # Process pools pickle errors, and pickle passes only positional arguments: the facts are restored separately.
        return _restore, (type(self), self.args, dict(self.__dict__))


class ExternalCallRefused(EffectRefused):
    """Simulated work called ``host``, which does not take part, and the policy for ``external-call`` is not ``allow``.

    ``target`` is the same name.
    """

    @property
    def host(self) -> str:
        """The name of the host that was not called; empty if the client does not tell it."""
        return self.target


_NEEDS_KEYS = "Configure the keys that verify it: keys=, SYNTHETIC_KEYS, or keys in synthetic.toml."
_ADMIT = "Admit requests with SyntheticTrafficMiddleware, which refuses such markers."
_INSTRUMENT = "Its calls would carry no marker: call synthetic.instrument() at start-up."
_REFUSED = (
    "the marker of this work is refused ({}), so the work is neither executed as real nor treated as simulated. {}"
)
_OUTLIVED = (
    "this code was started by simulated work that has ended (outlived), so nobody can tell whose work it does now. If "
    "it finishes a job of that work, hand it over as one: to an executor, to the background tasks of the framework, or "
    "as synthetic.carry(function). If it serves everybody, start it outside of simulated work, or name its module in "
    "the setting workers; if it takes jobs from a queue, declare that with synthetic.carry_queue. If its work is real, "
    "put that into a block with synthetic.real()."
)

_UNDECLARED = (
    "nobody has declared whether this call is simulated, so it was not sent (undeclared='refuse'). Make it in a block "
    "with synthetic.simulated(...), or with synthetic.real() if it is to be executed as real."
)


def _hint(reason: Reason) -> str:
    if reason is Reason.NOT_INSTRUMENTED:
        return _INSTRUMENT
    return _NEEDS_KEYS if reason in (Reason.NO_KEYS, Reason.UNKNOWN_KEY) else _ADMIT


def _restore(kind: type[EffectRefused], args: tuple[object, ...], facts: dict[str, object]) -> EffectRefused:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error
