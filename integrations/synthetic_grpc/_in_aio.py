"""The marker at an aio server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial, update_wrapper
from inspect import isasyncgenfunction, isawaitable, iscoroutinefunction
from typing import Any, cast

import grpc
import grpc.aio

from synthetic.integration import (
    AS_REAL,
    REAL,
    Entrance,
    IsOn,
    OnMissing,
    OnUnverified,
    Real,
    Received,
    Refused,
    await_under,
    enter,
    leave,
)
from synthetic_grpc._handlers import admitted_handler, as_real, with_behavior
from synthetic_grpc._headers import baggage_of, context_of, with_onward
from synthetic_grpc._refusal import Answer, answer_to, answer_to_reason

__all__ = ["AioServerInterceptor"]


class AioServerInterceptor(grpc.aio.ServerInterceptor):
    """Does for an aio server what ``ServerInterceptor`` does, with the same arguments.

    Handlers may be coroutine functions (with or without ``read`` and ``write``), async generators or plain functions.
    """

    def __init__(
        self,
        *,
        edge: bool | None = None,
        on_unverified: OnUnverified | None = None,
        on_missing: OnMissing | None = None,
    ) -> None:
        self._entrance = Entrance(edge=edge, on_unverified=on_unverified, on_missing=on_missing, is_on_loop=True)
        self._entrance.open()
        self.is_on: IsOn | None = None

    async def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """Handle one call."""
        if self.is_on is not None and not self.is_on():
            return await continuation(handler_call_details)
        decision = self._entrance.decide(baggage_of(handler_call_details.invocation_metadata))
        if decision is AS_REAL:
            handler = await await_under(REAL, continuation, handler_call_details)
            return None if handler is None else as_real(handler, _real)
        decision = await self._entrance.turn(decision)
        if isinstance(decision, Refused):
            return _refusing(answer_to_reason(decision.reason))
        verdict, onward = decision
        entered = enter(verdict)
        handler = None
        try:
            handler = await continuation(with_onward(handler_call_details, onward))
        finally:
            leave(entered)
            if handler is None:
                verdict.give_place_back()
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
    """A handler that fits every method: on the wire, a single message is a stream of one."""

    async def refuse(requests: Any, context: Any) -> AsyncIterator[Any]:
        await _aborted(context, answer)
        yield  # OpenTelemetry's interceptor expects a generator for every stream

    return cast("Any", grpc.stream_stream_rpc_method_handler(refuse))


def _coroutine(behavior: Callable[..., Any], verdict: Real | Received, onward: Any) -> Callable[..., Any]:
    if onward is None and verdict is REAL:
        return update_wrapper(partial(await_under, REAL, behavior), behavior)

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


def _async_generator(behavior: Callable[..., Any], verdict: Real | Received, onward: Any) -> Callable[..., Any]:
    async def handle(request: Any, context: Any) -> AsyncIterator[Any]:
        entered = enter(verdict, is_work=True, marks_span=True)
        responses = behavior(request, context_of(context, verdict, onward))
        try:
            async for response in responses:
                if verdict is not REAL:
                    verdict.give_place_back()
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
    """Close the handler after its client has gone. asyncio does so in another context, which may be another call's."""
    entered = enter(verdict)
    try:
        await responses.aclose()
    finally:
        leave(entered)


async def _aborted(context: Any, answer: Answer) -> None:
    """End the call. ``abort`` raises an error of grpc."""
    await context.abort(answer.code, answer.details, answer.trailing_after(context.trailing_metadata()))
