"""The door of a server: what its metadata say of a call, and what a call gets that is not admitted."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple, cast

import grpc
import wrapt

from synthetic import _config
from synthetic._admission import ADMITTED_AS_REAL, Admission, Entrance, admit
from synthetic._carrier import NAME
from synthetic._carry import Carried
from synthetic._config import OnMissing, OnUnverified
from synthetic._http import Problem, problem_of, refusal_of
from synthetic._reason import Reason
from synthetic._verdict import Real, Received

__all__ = ["Answer", "Door", "answer_to", "answer_to_reason", "context_of", "replaced"]

_REASON: Final = "synthetic-reason"
_CODES: Final = {403: grpc.StatusCode.PERMISSION_DENIED, 429: grpc.StatusCode.RESOURCE_EXHAUSTED}


class Door:
    """Admits the calls of one server."""

    def __init__(self, *, edge: bool | None, on_unverified: OnUnverified | None, on_missing: OnMissing | None) -> None:
        self._entrance = Entrance(edge=edge, on_unverified=on_unverified, on_missing=on_missing)
        self._entrance.open()

    def admit(self, metadata: Any) -> Admission:
        """Decide on the call that came with ``metadata``."""
        values: list[str] = [value for name, value in metadata or () if name == NAME]
        config = _config.in_force or _config.active()
        if not values and not self._entrance.must_be_marked(config):
            return ADMITTED_AS_REAL
        return admit(values, self._entrance, config)


class Answer(NamedTuple):
    """The status of a call that is refused: what ``abort`` is given, and the metadata that go with it."""

    code: grpc.StatusCode
    details: str
    reason: str

    def trailing_after(self, others: Any) -> tuple[Any, ...]:
        """Return the trailing metadata: those of others, then our reason."""
        return (*(others or ()), (_REASON, self.reason))


def answer_to_reason(reason: Reason | None) -> Answer:
    """Return the answer to a call that was not admitted."""
    return _answer(refusal_of(reason))


def answer_to(error: BaseException, verdict: Real | Received) -> Answer | None:
    """Return the answer where the handler of a simulated call let an error of ours through; None for any other."""
    problem = problem_of(error) if isinstance(verdict, Received) else None
    return problem and _answer(problem)


def _answer(problem: Problem) -> Answer:
    document = json.loads(problem.body)
    what = f"{problem.reason} ({document['effect']})" if "effect" in document else problem.reason
    return Answer(_CODES[problem.status], f"{what}: {document['detail']}", problem.reason)


class _Metadatum(NamedTuple):
    """One entry, as grpc itself gives it to handlers."""

    key: str
    value: str


def replaced(metadata: Any, onward: Any) -> tuple[Any, ...]:
    """Return ``metadata`` with the ``baggage`` that is handed on."""
    others = [entry for entry in metadata or () if entry[0] != NAME]
    return (*(_Metadatum(NAME, value) for value in onward), *others)


class _Context(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A servicer context in everything but the metadata, and what is registered for the end of the call."""

    def __init__(self, context: Any, verdict: Real | Received, onward: Any) -> None:
        super().__init__(context)  # pyright: ignore[reportUnknownMemberType]
        self._self_verdict = verdict
        self._self_onward = onward

    def invocation_metadata(self) -> Any:
        metadata: Any = cast("Any", self).__wrapped__.invocation_metadata()
        return metadata if self._self_onward is None else replaced(metadata, self._self_onward)

    def add_callback(self, callback: Any) -> Any:
        # grpc calls it in a thread, or a task, of its own.
        return cast("Any", self).__wrapped__.add_callback(Carried(self._self_verdict, callback))

    def add_done_callback(self, callback: Any) -> None:
        cast("Any", self).__wrapped__.add_done_callback(Carried(self._self_verdict, callback))


def context_of(context: Any, verdict: Real | Received, onward: Any) -> Any:
    """Return the context that the handler gets: with the ``baggage`` that is handed on, if that is not what came."""
    return context if onward is None and isinstance(verdict, Real) else _Context(context, verdict, onward)
