"""The decorator of a Lambda handler."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any, Final, overload

from synthetic.integration import (
    AS_REAL,
    REAL,
    Entrance,
    OnMissing,
    OnUnverified,
    Refused,
    has_marker,
    problem_of,
    refusal_of,
    under,
    verdict_on_values,
)
from synthetic_aws_shared._headers import Envelope, Envelopes, declared
from synthetic_awslambda._answers import answer, uncached
from synthetic_awslambda._headers import Event, baggage_of_event, headers_of, source_of, with_baggage
from synthetic_awslambda._records import by_verdict, merged

__all__ = ["admit"]

Handler = Callable[[Any, Any], Any]

_UNTAKEN: Final = {
    "topics": "admit() takes no events of Kafka or RabbitMQ: handle their records with each_record",
    "socket": (
        "admit() finds no marker in messages over a WebSocket: only $connect has headers. Keep synthetic.headers() "
        "with the connection's id there, and handle its messages in synthetic.admitted(...) with those"
    ),
}


_OF_EVENTS: Final[Envelopes] = frozenset(("eventbridge", "headers"))

_UNDECLARED: Final = (
    "this event has a marker where admit() was not told to look: in its detail, or in its headers. If only services "
    "that take part write these, use @admit(envelopes=['eventbridge']) for EventBridge, or ['headers'] for others"
)


@overload
def admit(handler: Handler, /) -> Handler: ...
@overload
def admit(
    *,
    edge: bool | None = None,
    on_unverified: OnUnverified | None = None,
    on_missing: OnMissing | None = None,
    envelopes: Collection[Envelope] = (),
) -> Callable[[Handler], Handler]: ...
def admit(
    handler: Handler | None = None,
    /,
    *,
    edge: bool | None = None,
    on_unverified: OnUnverified | None = None,
    on_missing: OnMissing | None = None,
    envelopes: Collection[Envelope] = (),
) -> Any:
    """Decorate a Lambda handler, with or without parentheses.

    An HTTP event that is not admitted is answered with 403 or 429, and the handler is not called; if a guard refuses an
    effect, the answer is 403. Any other event that is not admitted raises ``synthetic.MessageRefused``: Lambda retries
    an asynchronous invocation, and then sends it to the function's destination or dead-letter queue; a queue delivers
    the whole batch again (with ``each_record``, only the failed records). A batch of records with different verdicts is
    split, and the handler is called for each part.

    ``envelopes`` says what else than attributes may have the marker. ``"sns"``: the bodies of a queue are notifications
    of SNS. ``"eventbridge"``: an event of EventBridge, or the body of a message that is one, has it in its ``detail``.
    ``"headers"``: a direct invocation has it in ``headers``. Declare only what nobody else can write: whoever writes
    the whole body writes the envelope as well.

    The other arguments are for HTTP events, and those of ``synthetic.asgi.SyntheticTrafficMiddleware``; a wrong one
    raises ConfigurationError here. TypeError for anything that Lambda cannot call as a plain function, such as a
    coroutine function. The call raises TypeError for events of Kafka, of RabbitMQ and of an open WebSocket, and for
    objects that are no event: ``admit`` cannot tell their markers. So does an event with a marker in an envelope
    that is not declared.
    """
    known = declared(envelopes, "sns", "eventbridge", "headers")
    # Each process handles one invocation at a time.
    entrance = Entrance(edge=edge, on_unverified=on_unverified, on_missing=on_missing, has_places=False)
    entrance.open()

    def decorate(handler: Handler) -> Handler:
        _check(handler)

        @functools.wraps(handler)
        def admitting(event: Any, context: Any) -> Any:
            source = source_of(event)
            if source == "http":
                return _http(handler, event, context, entrance)
            if source == "records":
                return _records(handler, event, context, known)
            if source in _UNTAKEN:
                raise TypeError(_UNTAKEN[source])
            if has_marker(baggage_of_event(event, _OF_EVENTS - known)):
                raise TypeError(_UNDECLARED)
            return under(verdict_on_values(baggage_of_event(event, known)), handler, event, context)

        return admitting

    return decorate if handler is None else decorate(handler)


def _check(handler: Any) -> None:
    if not callable(handler):
        raise TypeError(f"admit() decorates the function that Lambda calls, and {handler!r} is not one")
    if inspect.iscoroutinefunction(handler) or inspect.isgeneratorfunction(handler):
        raise TypeError(f"Lambda calls {handler.__name__} as a plain function: it must neither be async nor yield")


def _http(handler: Handler, event: Event, context: Any, entrance: Entrance) -> Any:
    decision = entrance.decide(headers_of(event))
    if decision is AS_REAL:
        return under(REAL, handler, event, context)
    if isinstance(decision, Refused):
        return answer(refusal_of(decision.reason), event)
    verdict, onward = decision
    if onward is not None:
        event = with_baggage(event, onward)
    if verdict is REAL:
        return under(REAL, handler, event, context)
    try:
        return uncached(under(verdict, handler, event, context), event)
    except Exception as error:
        problem = problem_of(error)
        if problem is None:
            raise
        return answer(problem, event)


def _records(handler: Handler, event: Any, context: Any, envelopes: Envelopes) -> Any:
    return merged([under(verdict, handler, part, context) for verdict, part in by_verdict(event, envelopes)])
