"""The marker at the door of an AWS Lambda function.

``admit`` decorates the handler: HTTP events (API Gateway, ALB, function URLs, VPC Lattice) are admitted like requests,
events of EventBridge and records of SQS and SNS like messages. ``each_record`` decorates a function of one record: what
fails or is refused is told to the queue, and the rest of the batch is done.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, overload

from synthetic import _config
from synthetic._admission import Entrance
from synthetic._admission import admit as admit_headers
from synthetic._arrival import arrive, under
from synthetic._config import OnMissing, OnUnverified
from synthetic._http import problem_of, refusal_of
from synthetic._verdict import REAL, Real
from synthetic_awslambda._answers import answer, uncached
from synthetic_awslambda._events import Event, baggage_of, headers_of, source_of, with_baggage
from synthetic_awslambda._records import admitted, by_verdict, each_record, merged

__all__ = ["admit", "admitted", "each_record"]

Handler = Callable[[Any, Any], Any]

_UNTAKEN: Final = {
    "topics": "admit() takes no events of Kafka or RabbitMQ: handle their records with each_record",
    "socket": (
        "admit() can't tell what a message over a WebSocket is: only $connect has headers. Keep synthetic.headers() "
        "with the connection's id there, and handle its messages in synthetic.admitted(...) of what was kept"
    ),
}


@overload
def admit(handler: Handler, /) -> Handler: ...
@overload
def admit(
    *, edge: bool | None = None, on_unverified: OnUnverified | None = None, on_missing: OnMissing | None = None
) -> Callable[[Handler], Handler]: ...
def admit(
    handler: Handler | None = None,
    /,
    *,
    edge: bool | None = None,
    on_unverified: OnUnverified | None = None,
    on_missing: OnMissing | None = None,
) -> Any:
    """Decorate a Lambda handler, with or without parentheses.

    An HTTP event that is not admitted is answered, 403 or 429, without the handler; so is an effect that a guard
    refuses. Any other event that is not admitted raises ``synthetic.MessageRefused``: Lambda tries an asynchronous
    invocation again, and then hands it to the function's destination or dead-letter queue; a queue delivers the whole
    batch again (``each_record`` has only the failed records come again). A batch of records that are not all of one
    verdict is split, and the handler called for each part. The arguments, for HTTP events, are those of
    ``synthetic.asgi.SyntheticTrafficMiddleware``; a wrong one raises ConfigurationError here, and what is no handler,
    a coroutine function for one, TypeError. So do, when they come, events whose marker can't be told: those of
    Kafka, RabbitMQ and of an open WebSocket.
    """
    entrance = Entrance(edge=edge, on_unverified=on_unverified, on_missing=on_missing)
    entrance.open()

    def decorate(handler: Handler) -> Handler:
        _check(handler)

        @functools.wraps(handler)
        def admitting(event: Any, context: Any) -> Any:
            source = source_of(event)
            if source == "http":
                return _http(handler, event, context, entrance)
            if source == "records":
                return _records(handler, event, context)
            if source in _UNTAKEN:
                raise TypeError(_UNTAKEN[source])
            return under(arrive(baggage_of(event)), handler, event, context)

        return admitting

    return decorate if handler is None else decorate(handler)


def _check(handler: Any) -> None:
    if not callable(handler):
        raise TypeError(f"admit() decorates the function that Lambda calls, and {handler!r} is none")
    if inspect.iscoroutinefunction(handler) or inspect.isgeneratorfunction(handler):
        raise TypeError(f"Lambda calls {handler.__name__} as a plain function: it must neither be async nor yield")


def _http(handler: Handler, event: Event, context: Any, entrance: Entrance) -> Any:
    headers, config = headers_of(event), _config.active()
    if not headers and not entrance.must_be_marked(config):
        return under(REAL, handler, event, context)  # nearly every one
    verdict, reason, onward = admit_headers(headers, entrance, config)
    if verdict is None:
        return answer(refusal_of(reason), event)
    if onward is not None:
        event = with_baggage(event, onward)
    if isinstance(verdict, Real):
        return under(REAL, handler, event, context)
    try:
        return uncached(under(verdict, handler, event, context), event)
    except Exception as error:
        problem = problem_of(error)
        if problem is None:
            raise
        return answer(problem, event)


def _records(handler: Handler, event: Any, context: Any) -> Any:
    return merged([under(verdict, handler, part, context) for verdict, part in by_verdict(event)])
