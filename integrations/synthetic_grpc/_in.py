"""The marker at a synchronous server, and the patch that gives every server its interceptor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, cast

import grpc

from synthetic.integration import AS_REAL, REAL, Entrance, IsOn, OnMissing, OnUnverified, Refused, enter, leave, under
from synthetic_grpc._handlers import admitted_handler, as_real, sync_real
from synthetic_grpc._headers import baggage_of, with_onward
from synthetic_grpc._refusal import Answer, aborted, answer_to_reason

__all__ = ["ServerInterceptor", "admitting"]


class ServerInterceptor(grpc.ServerInterceptor):
    """Admits each call as real or simulated, or ends it: PERMISSION_DENIED for refused, RESOURCE_EXHAUSTED for later.

    Put it first, or after OpenTelemetry's interceptor: both work. Every call has an explicit verdict for as long as its
    handler runs, including its streams of requests and responses. If a guard refuses an effect and the handler lets
    that error through, the call ends with PERMISSION_DENIED. The details begin with the code of the reason; the
    trailing metadata have it as ``synthetic-reason``.

    Args:
        edge: False if only services that take part can reach this server.
        on_unverified: ``"refuse"`` or ``"strip"``.
        on_missing: ``"real"`` or ``"refuse"``.

    Each setting that is not given here is the configuration's; see ``synthetic.configure``.
    """

    def __init__(
        self,
        *,
        edge: bool | None = None,
        on_unverified: OnUnverified | None = None,
        on_missing: OnMissing | None = None,
    ) -> None:
        self._entrance = Entrance(edge=edge, on_unverified=on_unverified, on_missing=on_missing)
        self._entrance.open()
        self.is_on: IsOn | None = None

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """Handle one call."""
        if self.is_on is not None and not self.is_on():
            return continuation(handler_call_details)
        decision = self._entrance.decide(baggage_of(handler_call_details.invocation_metadata))
        if decision is AS_REAL:
            handler = under(REAL, continuation, handler_call_details)
            return None if handler is None else as_real(handler, sync_real)
        if isinstance(decision, Refused):
            return _refusing(answer_to_reason(decision.reason))
        verdict, onward = decision
        # What the inner interceptors do is part of this call's work, too.
        entered = enter(verdict)
        handler = None
        try:
            handler = continuation(with_onward(handler_call_details, onward))
        finally:
            leave(entered)
            if handler is None:
                verdict.give_place_back()
        return None if handler is None else admitted_handler(handler, verdict, onward)


def _refusing(answer: Answer) -> Any:
    """A handler that fits every method: on the wire, a single message is a stream of one."""

    def refuse(requests: Any, context: Any) -> Any:
        aborted(context, answer)

    return cast("Any", grpc.stream_stream_rpc_method_handler(refuse))


def admitting(interceptor: Callable[..., Any]) -> Callable[[Any, IsOn], Any]:
    """Return the wrapper for the constructor of a server that takes interceptors of this class.

    Our interceptor goes first, so that a refused call reaches nothing else. If the server already has one of this
    class, no other is added, and that one's settings apply.
    """

    def wrap(original: Any, is_on: IsOn) -> Any:
        @wraps(original)
        def __init__(
            server: Any, thread_pool: Any, generic_handlers: Any, interceptors: Sequence[Any], *args: Any, **kwargs: Any
        ) -> None:
            if is_on() and not any(isinstance(other, interceptor) for other in interceptors or ()):  # type: ignore[arg-type]
                ours = interceptor()
                ours.is_on = is_on
                interceptors = [ours, *(interceptors or ())]
            original(server, thread_pool, generic_handlers, interceptors, *args, **kwargs)

        return __init__

    return wrap
