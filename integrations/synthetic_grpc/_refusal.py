"""Refused calls: the errors at a client, and the status that a server answers with."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import grpc
import grpc.aio

from synthetic import Marker
from synthetic.errors import ExternalCallRefused
from synthetic.integration import Problem, Real, Reason, Received, problem_of, refusal_of

__all__ = [
    "AioExternalRpcRefused",
    "Answer",
    "ExternalRpcRefused",
    "aborted",
    "answer_to",
    "answer_to_reason",
    "ended",
]

if TYPE_CHECKING:
    _Future = grpc.Future[Any]
else:
    _Future = grpc.Future  # not generic where the program runs

_CODE: Final = grpc.StatusCode.PERMISSION_DENIED
_CODES: Final = {403: _CODE, 429: grpc.StatusCode.RESOURCE_EXHAUSTED}
_REASON: Final = "synthetic-reason"


class ExternalRpcRefused(ExternalCallRefused, grpc.RpcError, grpc.Call, _Future):
    """Simulated work called a host that does not take part. Also a ``grpc.RpcError``.

    Like grpc's own errors it is a call that has ended, because interceptors above treat it as a call.
    """

    def code(self) -> grpc.StatusCode:
        """Return PERMISSION_DENIED, which clients do not retry."""
        return _CODE

    def details(self) -> str:
        """Return the message."""
        return str(self)

    def initial_metadata(self) -> tuple[()]:
        """Return no metadata."""
        return ()

    def trailing_metadata(self) -> tuple[()]:
        """Return no metadata."""
        return ()

    def is_active(self) -> bool:
        """Return False."""
        return False

    def time_remaining(self) -> float:
        """Return 0."""
        return 0

    def cancel(self) -> bool:
        """Return False: the call was never made."""
        return False

    def cancelled(self) -> bool:
        """Return False."""
        return False

    def running(self) -> bool:
        """Return False."""
        return False

    def done(self) -> bool:
        """Return True."""
        return True

    def result(self, timeout: float | None = None) -> NoReturn:
        """Raise the error itself."""
        raise self

    def exception(self, timeout: float | None = None) -> ExternalRpcRefused:
        """Return the error itself."""
        return self

    def traceback(self, timeout: float | None = None) -> TracebackType | None:
        """Return the traceback of the error."""
        return self.__traceback__

    def add_callback(self, callback: Callable[[], object]) -> bool:
        """Return False: the call has ended."""
        return False

    def add_done_callback(self, fn: Callable[[Any], object]) -> None:
        """Call ``fn`` at once."""
        fn(self)


class AioExternalRpcRefused(ExternalCallRefused, grpc.aio.AioRpcError):
    """Simulated work called a host that does not take part. Also a ``grpc.aio.AioRpcError``."""

    def __init__(self, message: str, *, effect: str, marker: Marker | None, target: str) -> None:
        # Each base would hand its arguments on to the other, which takes different ones.
        grpc.aio.AioRpcError.__init__(self, _CODE, grpc.aio.Metadata(), grpc.aio.Metadata(), message)
        Exception.__init__(self, message)
        self.effect = effect
        self.marker = marker
        self.target = target

    def __str__(self) -> str:
        return Exception.__str__(self)

    def __repr__(self) -> str:
        return Exception.__repr__(self)

    def __reduce__(self) -> tuple[object, ...]:
        return ExternalCallRefused.__reduce__(self)


class Answer(NamedTuple):
    """The status of a call that is refused: the arguments of ``abort``, and the reason for the trailing metadata."""

    code: grpc.StatusCode
    details: str
    reason: str

    def trailing_after(self, others: Any) -> tuple[Any, ...]:
        """Return the trailing metadata: the ``others`` first, then the reason."""
        return (*(others or ()), (_REASON, self.reason))


def answer_to_reason(reason: Reason) -> Answer:
    """Return the answer to a call that was not admitted."""
    return _answer(refusal_of(reason))


def answer_to(error: BaseException, verdict: Real | Received) -> Answer | None:
    """Return the answer if a simulated call's handler let an error of synthetic through; None for any other error."""
    problem = problem_of(error) if isinstance(verdict, Received) else None
    return problem and _answer(problem)


def _answer(problem: Problem) -> Answer:
    document = json.loads(problem.body)
    what = f"{problem.reason} ({document['effect']})" if "effect" in document else problem.reason
    return Answer(_CODES[problem.status], f"{what}: {document['detail']}", problem.reason)


def aborted(context: Any, answer: Answer) -> None:
    """End the call of a synchronous handler. ``abort`` raises an error of grpc."""
    _set_trailing_metadata(context, answer)
    context.abort(answer.code, answer.details)


def ended(context: Any, answer: Answer) -> None:
    """End a call with a stream of responses, after the last of them.

    An aio server may still be sending a response of a synchronous handler, and an abort would overtake it.
    """
    _set_trailing_metadata(context, answer)
    context.set_code(answer.code)
    context.set_details(answer.details)


def _set_trailing_metadata(context: Any, answer: Answer) -> None:
    others = getattr(context, "trailing_metadata", None)
    context.set_trailing_metadata(answer.trailing_after(others() if others is not None else ()))
