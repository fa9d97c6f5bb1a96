"""Shared by the Kafka consumers: messages are split by verdict, and refused messages go where the application says.

A log broker does not handle failures, so a refused message needs a place to go. This module knows no client library.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from opentelemetry import context

from synthetic._admission.messages import are_unmarked, verdict_on
from synthetic._admission.offsets import NOWHERE, Offsets, Place, Span
from synthetic._model.marker import Marker
from synthetic._model.verdict import REAL, Real, Received
from synthetic._wire.carrier import Carrier
from synthetic._work.carry import for_work
from synthetic._work.state import BLOCKS, VERDICT, Entered, enter, leave
from synthetic.errors import ConfigurationError, MessageRefused

__all__ = [
    "Handling",
    "Incoming",
    "OnRefused",
    "Park",
    "Policies",
    "Policy",
    "RefusedMessage",
    "Sorted",
    "is_verbatim",
    "unmarked",
    "verbatim",
    "verdict_or_refusal",
]

M_co = TypeVar("M_co", covariant=True)
M_contra = TypeVar("M_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Park:
    """Stop the partition of a refused message, and try the message again after ``seconds``.

    The order is kept and no message is skipped, but real messages behind it in that partition wait too. Raises
    ConfigurationError unless ``seconds`` is above 0.
    """

    seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise ConfigurationError(f"Park(seconds={self.seconds!r}): seconds must be above 0, for example 5.0")


@dataclass(frozen=True)
class RefusedMessage(Generic[M_co]):
    """A message that was not admitted, and the ``error`` that says why.

    ``headers`` are for a dead letter: the message's own headers, then the reason, the topic, the partition and the
    offset.
    """

    message: M_co
    topic: str
    partition: int
    offset: int
    headers: list[tuple[str, Any]]
    error: MessageRefused


class OnRefused(Protocol[M_contra, R_co]):
    """A function that keeps refused messages, for example in a dead-letter topic.

    If it returns, the consumer may pass the messages; if it raises, the consumer passes none of them. With an
    asynchronous client it is a coroutine function.
    """

    def __call__(self, refused: Sequence[RefusedMessage[M_contra]], /) -> R_co:
        """Keep these messages."""
        ...


Policy: TypeAlias = "OnRefused[Any, Any] | Park | Literal['raise']"
"""Where a refused message goes: a function keeps it, ``Park`` stops its partition, "raise" raises MessageRefused."""


_Kept: TypeAlias = "OnRefused[Any, Any] | Literal['raise']"


@dataclass
class Incoming:
    """A received message: its place and offset, its headers, and the verdict on it or the error that refuses it."""

    message: Any
    place: Place
    offset: int
    headers: Sequence[tuple[str, Any]]
    verdict: Real | Received | MessageRefused


_is_verbatim: Final[ContextVar[bool]] = ContextVar("synthetic-verbatim", default=False)
is_verbatim: Final = _is_verbatim.get
"""Whether messages are sent with their own headers, unchanged."""


@contextmanager
def verbatim() -> Generator[None, None, None]:
    """Send the messages of a ``with`` block with their own headers: they are refused, and belong to no work here."""
    before = _is_verbatim.set(True)
    attached = context.attach(context.Context())  # empty: instrumentation writes its baggage
    try:
        yield
    finally:
        context.detach(attached)
        _is_verbatim.reset(before)


def verdict_or_refusal(headers: Carrier) -> Real | Received | MessageRefused:
    """Return the verdict on a message with these headers, or the error that refuses it."""
    try:
        return verdict_on(headers)
    except MessageRefused as error:
        return error


def _refused(one: Incoming, error: MessageRefused) -> RefusedMessage[Any]:
    topic, partition = one.place
    said = {"reason": error.reason.value, "topic": topic, "partition": partition, "offset": one.offset}
    label = [(f"synthetic-refused-{name}", str(value).encode()) for name, value in said.items()]
    return RefusedMessage(one.message, topic, partition, one.offset, [*one.headers, *label], error)


class Policies:
    """Where refused messages go.

    ``on_later`` is the policy for messages that may be admitted later; None means the same as ``on_refused``. Raises
    ConfigurationError for anything but a ``Policy``.
    """

    def __init__(self, on_refused: Policy, on_later: Policy | None) -> None:
        for name, policy in (("on_refused", on_refused), ("on_later", on_later)):
            wanted = callable(policy) or isinstance(policy, Park) or policy == "raise"
            if not wanted and not (policy is None and name == "on_later"):
                raise ConfigurationError(
                    f"{name}={policy!r} does not say where a refused message goes. A log broker does not handle "
                    "failures itself. Use DeadLetter(producer, topic), Park(seconds), 'raise', or a function.",
                    setting=name,
                )
        self._on_refused: Policy = on_refused
        self._on_later: Policy = on_refused if on_later is None else on_later

    def choose(self, error: MessageRefused) -> Policy:
        """Return the policy for a message that ``error`` refuses."""
        return self._on_later if error.is_later else self._on_refused


class Handling(Generic[T_co]):
    """The handling of messages with one verdict: a ``with`` block that gives them and puts the verdict in force.

    If the block ends without an error, the messages are done and offsets may pass them; see ``Offsets``.
    """

    __slots__ = ("_content", "_entered", "_messages", "_offsets", "_spans", "_verdict")

    def __init__(
        self,
        content: T_co,
        verdict: Real | Received,
        messages: Sequence[Incoming] = (),
        offsets: Offsets | None = None,
        spans: Sequence[Span] = (),
    ) -> None:
        self._content: Final = content
        self._verdict: Final = verdict
        self._messages: Final = messages
        self._offsets: Final = offsets
        self._spans: Final = spans
        self._entered: Entered | None = None

    @property
    def marker(self) -> Marker | None:
        """The marker of the messages; None if they are real."""
        return self._verdict.marker

    def __enter__(self) -> T_co:
        if self._entered is not None:
            raise RuntimeError("these messages are already being handled")
        verdict = self._verdict
        if verdict is REAL and not context.get_current():
            self._entered = VERDICT.set(verdict), None, None, BLOCKS.get()  # as in enter, for nearly every message
        else:
            self._entered = enter(for_work(verdict), is_work=True, marks_span=True)
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
            for span in self._spans:
                self._offsets.end_span(span, is_handled=kind is None)


def unmarked(
    messages: T, places: Iterable[Place], offsets: Iterable[int], carriers: Iterable[Carrier], account: Offsets
) -> Handling[T] | None:
    """Return the handling of messages that were received together, if none has baggage: nearly every batch.

    None if each message needs a decision, or if a partition does not deliver in order.
    """
    if not are_unmarked(carriers):
        return None
    firsts: dict[Place, int] = {}
    lasts: dict[Place, int] = {}
    for place, offset in zip(places, offsets, strict=True):
        if offset <= lasts.get(place, NOWHERE):
            return None
        firsts.setdefault(place, offset)
        lasts[place] = offset
    spans = [(place, first, lasts[place]) for place, first in firsts.items()]
    for span in spans:
        account.begin_span(span)
    return Handling(messages, REAL, (), account, spans)


class Sorted:
    """What to do with messages that were received together.

    ``refused`` has each policy that is a callable, or "raise", with the messages that it takes. ``parked`` has each
    partition to stop, with the offset to stop at and the seconds to wait. Messages from that offset on are left out:
    they are delivered again.
    """

    def __init__(self, messages: Iterable[Incoming], policies: Policies) -> None:
        self._kept: list[Incoming] = []
        self.refused: list[tuple[_Kept, list[RefusedMessage[Any]]]] = []
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

    def _for(self, policy: _Kept) -> list[RefusedMessage[Any]]:
        for known, messages in self.refused:
            if known is policy:
                return messages
        self.refused.append((policy, []))
        return self.refused[-1][1]

    def handed_out(self, offsets: Offsets) -> list[Handling[list[Any]]]:
        """Return the real messages together, then the messages of each token, all in the order of arrival.

        From here on, refused messages count as kept elsewhere.
        """
        groups: dict[str, tuple[Real | Received, list[Incoming]]] = {}
        for one in self._kept:
            offsets.begin(one.place, one.offset, is_refused=isinstance(one.verdict, MessageRefused))
            if not isinstance(one.verdict, MessageRefused):
                token = one.verdict.token() if isinstance(one.verdict, Received) else ""
                groups.setdefault(token, (one.verdict, []))[1].append(one)
        first_real = sorted(groups, key=bool)
        return [Handling([one.message for one in groups[token][1]], *groups[token], offsets) for token in first_real]
