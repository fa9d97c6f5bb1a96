"""The marker at the door of a synchronous server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import grpc
from opentelemetry.context import get_current

from synthetic._admission import ADMITTED_AS_REAL
from synthetic._config import OnMissing, OnUnverified
from synthetic._verdict import REAL, VERDICT, enter, leave
from synthetic_grpc._door import Answer, Door, answer_to_reason, replaced
from synthetic_grpc._handlers import aborted, admitted_handler, as_real, sync_real

__all__ = ["ServerInterceptor", "with_onward"]

_set_verdict = VERDICT.set
_reset_verdict = VERDICT.reset


class ServerInterceptor(grpc.ServerInterceptor):
    """Admits each call as real or simulated, or ends it: PERMISSION_DENIED for refused, RESOURCE_EXHAUSTED for later.

    Put it first, or after OpenTelemetry's: both work. Every call gets an explicit verdict for as long as its handler
    runs, streams of requests and responses included. Where a guard refuses, and the handler lets that error through,
    the call ends with PERMISSION_DENIED. The details begin with the reason's code, which the trailing metadata have as
    ``synthetic-reason``.

    Args:
        edge: False where only services that take part can reach this server.
        on_unverified: ``"refuse"`` or ``"strip"``.
        on_missing: ``"real"`` or ``"refuse"``.

    What is not given here is the configuration's; see ``synthetic.configure``.
    """

    def __init__(
        self,
        *,
        edge: bool | None = None,
        on_unverified: OnUnverified | None = None,
        on_missing: OnMissing | None = None,
    ) -> None:
        self._door = Door(edge=edge, on_unverified=on_unverified, on_missing=on_missing)
        self.is_on: Callable[[], bool] | None = None

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """Handle one call."""
        if self.is_on is not None and not self.is_on():
            return continuation(handler_call_details)
        admission = self._door.admit(handler_call_details.invocation_metadata)
        if admission is ADMITTED_AS_REAL and not get_current():
            alone = _set_verdict(REAL)
            try:
                handler = continuation(handler_call_details)
            finally:
                _reset_verdict(alone)
            return None if handler is None else as_real(handler, sync_real)
        verdict, reason, onward = admission
        if verdict is None:
            return _refusing(answer_to_reason(reason))
        # What the interceptors inside do in passing is this call's work, too.
        entered = enter(verdict)
        try:
            handler = continuation(with_onward(handler_call_details, onward))
        finally:
            leave(entered)
        return None if handler is None else admitted_handler(handler, verdict, onward)


def with_onward(details: Any, onward: Any) -> Any:
    """Return the details of a call with the ``baggage`` that is handed on, if that is not what came."""
    if onward is None:
        return details
    return type(details)(details.method, replaced(details.invocation_metadata, onward))


def _refusing(answer: Answer) -> Any:
    """A handler that fits whatever method was called, for on the wire a single message is a stream of one."""

    def refuse(requests: Any, context: Any) -> Any:
        aborted(context, answer)

    return cast("Any", grpc.stream_stream_rpc_method_handler(refuse))
