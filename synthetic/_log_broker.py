"""What consumers of a log broker (Kafka) have in common: messages split by verdict, and a place for what is refused.

Such a broker handles no failures, so that a message that is refused has to go somewhere. No client library is known
here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

from opentelemetry import context

from synthetic._arrival import arrive_with
from synthetic._carrier import Carrier
from synthetic._marker import Marker
from synthetic._offsets import Offsets, Place
from synthetic._verdict import Entered, Real, Received, enter, leave
from synthetic.errors import ConfigurationError, MessageRefused

__all__ = [
    "Handling",
    "Incoming",
    "Park",
    "Policies",
    "Refused",
    "Sorted",
    "is_verbatim",
    "judge",
    "verbatim",
]

M = TypeVar("M")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Park:
    """Hold up the partition of a refused message, and look at the message again after so many ``seconds``.

    The order is kept and nothing is passed, but real messages behind it in that partition wait as well.
    """

    seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise ConfigurationError(f"Park(seconds={self.seconds!r}): that must be above 0, for example 5.0")


@dataclass(frozen=True)
class Refused(Generic[M]):
    """A message that was not admitted, and the ``error`` that says why.

    ``headers`` are those of a dead letter: all that came, then why it was refused and where it stood.
    """

    message: M
    topic: str
    partition: int
    offset: int
    headers: list[tuple[str, Any]]
    error: MessageRefused


@dataclass
class Incoming:
    """A message as it came: where it stands, its headers, and what it is admitted as."""

    message: Any
    place: Place
    offset: int
    headers: Sequence[tuple[str, Any]]
    verdict: Real | Received | MessageRefused


_is_verbatim: Final[ContextVar[bool]] = ContextVar("synthetic-verbatim", default=False)
is_verbatim: Final = _is_verbatim.get
"""Whether a message leaves with the headers that it has."""


@contextmanager
def verbatim() -> Generator[None, None, None]:
    """Send refused messages, which are nobody's work, in a ``with`` block: nothing of the work at hand goes along."""
    before = _is_verbatim.set(True)
    attached = context.attach(context.Context())  # whose baggage instrumentation would write
    try:
        yield
    finally:
        context.detach(attached)
        _is_verbatim.reset(before)


def judge(headers: Carrier) -> Real | Received | MessageRefused:
    """Return the verdict on a message with these headers, or the error that refuses it."""
    try:
        return arrive_with(headers)
    except MessageRefused as error:
        return error


def _refused(one: Incoming, error: MessageRefused) -> Refused[Any]:
    topic, partition = one.place
    said = {"reason": error.reason.value, "topic": topic, "partition": partition, "offset": one.offset}
    label = [(f"synthetic-refused-{name}", str(value).encode()) for name, value in said.items()]
    return Refused(one.message, topic, partition, one.offset, [*one.headers, *label], error)


class Policies:
    """What is done with refused messages: a callable that takes a sequence of ``Refused``, a ``Park``, or "raise".

    When the callable returns, the messages may be passed; when it raises, none of them is. ``on_later`` is for those
    that may be admitted later, and without it they are as the others.
    """

    def __init__(self, on_refused: Any, on_later: Any) -> None:
        for name, policy in (("on_refused", on_refused), ("on_later", on_later)):
            wanted = callable(policy) or isinstance(policy, Park) or policy == "raise"
            if not wanted and not (policy is None and name == "on_later"):
                raise ConfigurationError(
                    f"{name}={policy!r} does not say where a refused message goes: a log broker has no failure "
                    "handling of its own. Use DeadLetter(producer, topic), Park(seconds), 'raise', or a function.",
                    setting=name,
                )
        self._on_refused = on_refused
        self._on_later = on_refused if on_later is None else on_later

    def choose(self, error: MessageRefused) -> Any:
        """Return the policy for a message that is refused with ``error``."""
        return self._on_later if error.is_later else self._on_refused


class Handling(Generic[T_co]):
    """The handling of what has one verdict: a ``with`` block that gives it, and in which the verdict is in force.

    Left without an error, it is done, and offsets may pass it. Whatever never gets there comes again.
    """

    __slots__ = ("_content", "_entered", "_messages", "_offsets", "_verdict")

    def __init__(
        self, content: T_co, verdict: Real | Received, messages: Sequence[Incoming] = (), offsets: Offsets | None = None
    ) -> None:
        self._content: Final = content
        self._verdict: Final = verdict
        self._messages: Final = messages
        self._offsets: Final = offsets
        self._entered: Entered | None = None

    @property
    def marker(self) -> Marker | None:
        """The marker of the simulated work that this is; None for real work."""
        return self._verdict.marker

    def __enter__(self) -> T_co:
        if self._entered is not None:
            raise RuntimeError("these messages are being handled already")
        self._entered = enter(self._verdict, is_work=True, marks_span=True)
        return self._content

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entered, self._entered = self._entered, None
        if entered is None:
            return
        leave(entered)
        if self._offsets is not None:
            for one in self._messages:
                self._offsets.end(one.place, one.offset, is_handled=kind is None)


class Sorted:
    """What is to be done with messages that came together.

    ``refused`` has policies that are callables, or "raise", each with what it is to take. A partition in ``parked`` is
    held up from an offset on, and what came from there on is left out: it comes again.
    """

    def __init__(self, messages: Iterable[Incoming], policies: Policies) -> None:
        self._kept: list[Incoming] = []
        self.refused: list[tuple[Any, list[Refused[Any]]]] = []
        self.parked: dict[Place, tuple[int, float]] = {}
        for one in messages:
            if one.place in self.parked:
                continue
            if isinstance(one.verdict, MessageRefused):
                policy = policies.choose(one.verdict)
                if isinstance(policy, Park):
                    self.parked[one.place] = one.offset, policy.seconds
                    continue
                self._for(policy).append(_refused(one, one.verdict))
            self._kept.append(one)

    def _for(self, policy: Any) -> list[Refused[Any]]:
        for known, messages in self.refused:
            if known is policy:
                return messages
        self.refused.append((policy, []))
        return self.refused[-1][1]

    def handed_out(self, offsets: Offsets) -> list[Handling[list[Any]]]:
        """Return the real messages together, then those of each token, all in the order in which they came.

        What was refused counts as kept elsewhere from here on.
        """
        groups: dict[str, tuple[Real | Received, list[Incoming]]] = {}
        for one in self._kept:
            offsets.begin(one.place, one.offset, is_refused=isinstance(one.verdict, MessageRefused))
            if not isinstance(one.verdict, MessageRefused):
                token = one.verdict.token() if isinstance(one.verdict, Received) else ""
                groups.setdefault(token, (one.verdict, []))[1].append(one)
        first_real = sorted(groups, key=bool)
        return [Handling([one.message for one in groups[token][1]], *groups[token], offsets) for token in first_real]
