"""The marker at the door of an aio server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from inspect import isasyncgenfunction, isawaitable, iscoroutinefunction
from typing import Any, cast

import grpc
import grpc.aio
from opentelemetry.context import get_current

from synthetic._admission import ADMITTED_AS_REAL
from synthetic._config import OnMissing, OnUnverified
from synthetic._verdict import REAL, VERDICT, Real, Received, enter, leave
from synthetic_grpc._door import Answer, Door, answer_to, answer_to_reason, context_of
from synthetic_grpc._handlers import admitted_handler, as_real, with_behavior
from synthetic_grpc._server import with_onward

__all__ = ["AioServerInterceptor"]

_set_verdict = VERDICT.set
_reset_verdict = VERDICT.reset


class AioServerInterceptor(grpc.aio.ServerInterceptor):
    """Does for an aio server what ``ServerInterceptor`` does, with the same arguments.

    Handlers may be coroutine functions that return or that read and write, async generators, or synchronous.
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

    async def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """Handle one call."""
        if self.is_on is not None and not self.is_on():
            return await continuation(handler_call_details)
        admission = self._door.admit(handler_call_details.invocation_metadata)
        if admission is ADMITTED_AS_REAL and not get_current():
            alone = _set_verdict(REAL)
            try:
                handler = await continuation(handler_call_details)
            finally:
                _reset_verdict(alone)
            return None if handler is None else as_real(handler, _real)
        verdict, reason, onward = admission
        if verdict is None:
            return _refusing(answer_to_reason(reason))
        entered = enter(verdict)
        try:
            handler = await continuation(with_onward(handler_call_details, onward))
        finally:
            leave(entered)
        return None if handler is None else _admitted(handler, verdict, onward)


def _real(handler: Any) -> Any:
    return _admitted(handler, REAL, None)


def _admitted(handler: Any, verdict: Real | Received, onward: Any) -> Any:
    behavior = (
        (handler.stream_stream if handler.response_streaming else handler.stream_unary)
        if handler.request_streaming
        else (handler.unary_stream if handler.response_streaming else handler.unary_unary)
    )
    if iscoroutinefunction(behavior) or isawaitable(behavior):
        return with_behavior(handler, _coroutine, verdict, onward)
    if isasyncgenfunction(behavior):
        return with_behavior(handler, _async_generator, verdict, onward)
    return admitted_handler(handler, verdict, onward)


def _refusing(answer: Answer) -> Any:
    """A handler that fits whatever method was called, for on the wire a single message is a stream of one."""

    async def refuse(requests: Any, context: Any) -> AsyncIterator[Any]:
        await _aborted(context, answer)
        yield  # OpenTelemetry's interceptor takes every stream for a generator

    return cast("Any", grpc.stream_stream_rpc_method_handler(refuse))


def _coroutine(behavior: Callable[..., Any], verdict: Real | Received, onward: Any) -> Callable[..., Any]:
    if onward is None and verdict is REAL:
        return _real_coroutine(behavior)

    async def handle(request: Any, context: Any) -> Any:
        entered = enter(verdict, is_work=True, marks_span=True)
        try:
            return await behavior(request, context_of(context, verdict, onward))
        except Exception as error:
            answer = answer_to(error, verdict)
            if answer is None:
                raise
            await _aborted(context, answer)
        finally:
            leave(entered)

    return handle


def _real_coroutine(behavior: Callable[..., Any]) -> Callable[..., Any]:
    async def handle(request: Any, context: Any) -> Any:
        if get_current():
            entered = enter(REAL)
            try:
                return await behavior(request, context)
            finally:
                leave(entered)
        # Nearly every call comes this way, and pays for nothing else.
        alone = _set_verdict(REAL)
        try:
            return await behavior(request, context)
        finally:
            try:
                _reset_verdict(alone)
            except ValueError:
                pass  # finalised in another context: there is nothing to put back here

    return handle


def _async_generator(behavior: Callable[..., Any], verdict: Real | Received, onward: Any) -> Callable[..., Any]:
    async def handle(request: Any, context: Any) -> AsyncIterator[Any]:
        entered = enter(verdict, is_work=True, marks_span=True)
        responses = behavior(request, context_of(context, verdict, onward))
        try:
            async for response in responses:
                yield response
        except GeneratorExit:
            await _closed(responses, verdict)
            raise
        except Exception as error:
            answer = answer_to(error, verdict)
            if answer is None:
                raise
            await _aborted(context, answer)
        finally:
            leave(entered)

    return handle


async def _closed(responses: Any, verdict: Real | Received) -> None:
    """Close the handler of a client that has gone: asyncio does that in another context, maybe another call's."""
    entered = enter(verdict)
    try:
        await responses.aclose()
    finally:
        leave(entered)


async def _aborted(context: Any, answer: Answer) -> None:
    """End the call: raises what grpc has for that."""
    await context.abort(answer.code, answer.details, answer.trailing_after(context.trailing_metadata()))
