"""Synchronous handlers under a verdict: for one response, or for a stream of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from functools import partial, update_wrapper
from types import GeneratorType
from typing import Any

import grpc

from synthetic.integration import REAL, Real, Received, enter, leave, under
from synthetic_grpc._headers import context_of
from synthetic_grpc._refusal import aborted, answer_to, ended

__all__ = ["admitted_handler", "as_real", "sync_real", "with_behavior"]

_EXPERIMENTAL = ("experimental_non_blocking", "experimental_thread_pool")
"""Attributes that grpc reads from the handler's function."""


def admitted_handler(handler: Any, verdict: Real | Received, onward: Any) -> Any:
    """Return ``handler`` under ``verdict``, with ``onward`` as its ``baggage``; None leaves that as it is."""
    return with_behavior(handler, sync_stream if handler.response_streaming else sync_unary, verdict, onward)


def sync_real(handler: Any) -> Any:
    """Return ``handler`` for real calls."""
    return admitted_handler(handler, REAL, None)


def with_behavior(handler: Any, wrap: Callable[..., Any], verdict: Real | Received, onward: Any) -> Any:
    """Return ``handler`` with its function wrapped by ``wrap``."""
    name = _NAMES[bool(handler.request_streaming), bool(handler.response_streaming)]
    behavior = getattr(handler, name)
    wrapped = wrap(behavior, verdict, onward)
    for attribute in _EXPERIMENTAL:
        if hasattr(behavior, attribute):
            setattr(wrapped, attribute, getattr(behavior, attribute))
    return _FACTORIES[name](wrapped, handler.request_deserializer, handler.response_serializer)


_NAMES = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}
_FACTORIES: dict[str, Callable[..., Any]] = {
    "unary_unary": grpc.unary_unary_rpc_method_handler,
    "unary_stream": grpc.unary_stream_rpc_method_handler,
    "stream_unary": grpc.stream_unary_rpc_method_handler,
    "stream_stream": grpc.stream_stream_rpc_method_handler,
}


def as_real(handler: Any, wrapped: Callable[[Any], Any]) -> Any:
    """Return ``wrapped(handler)``, the handler for real calls. It is made once, and kept on ``handler``."""
    try:
        return handler._synthetic_real
    except AttributeError:
        made = wrapped(handler)
    try:
        handler._synthetic_real = made
    except AttributeError:
        pass  # a handler class of the application, which takes no attributes
    return made


def sync_unary(behavior: Callable[..., Any], verdict: Real | Received, onward: Any) -> Callable[..., Any]:
    """Return a handler that gives one response."""
    if onward is None and verdict is REAL:
        return update_wrapper(partial(under, REAL, behavior), behavior)

    def handle(request: Any, context: Any) -> Any:
        entered = enter(verdict, is_work=True, marks_span=True)
        try:
            return behavior(request, context_of(context, verdict, onward))
        except Exception as error:
            answer = answer_to(error, verdict)
            if answer is None:
                raise
            aborted(context, answer)
        finally:
            leave(entered)

    return handle


def sync_stream(behavior: Callable[..., Any], verdict: Real | Received, onward: Any) -> Callable[..., Any]:
    """Return a handler that gives a stream of responses. All steps run in one context, which belongs to this call."""

    def handle(request: Any, context: Any, *sending: Any) -> Any:
        own = copy_context()
        own.run(enter, verdict, marks_span=True)
        try:
            responses = own.run(behavior, request, context_of(context, verdict, onward), *sending)
        except BaseException as error:
            verdict.give_place_back()
            answer = answer_to(error, verdict) if isinstance(error, Exception) else None
            if answer is None:
                raise
            ended(context, answer)
            return iter(())
        return responses if sending else _steps(own, responses, verdict, context)

    return handle


def _steps(own: Context, responses: Iterator[Any], verdict: Real | Received, context: Any) -> Iterator[Any]:
    if isinstance(verdict, Received):
        verdict.begin()
    try:
        while True:
            try:
                response = own.run(next, responses)
            except StopIteration:
                return
            yield response
    except Exception as error:
        answer = answer_to(error, verdict)
        if answer is None:
            raise
        ended(context, answer)
    finally:
        # When the client has gone, the handler's clean-up is still work of this call.
        if isinstance(responses, GeneratorType):
            own.run(responses.close)
        if isinstance(verdict, Received):
            verdict.end()
