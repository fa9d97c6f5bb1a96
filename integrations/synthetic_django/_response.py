"""What Django does for a request after every middleware has returned: send a streamed body, close the response."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable
from copy import copy
from functools import partial
from typing import Any

from synthetic.integration import (
    ACKNOWLEDGEMENT,
    REAL,
    SIMULATED,
    SIMULATED_CACHE_CONTROL,
    Real,
    Received,
    enter,
    is_cache_header,
    leave,
    under,
)

__all__ = ["cover"]


def cover(response: Any, verdict: Real | Received) -> Any:
    """Return ``response``; its streamed body and its end run under the verdict of its request.

    The work goes on until the response is closed, or is garbage.
    """
    steps: _AsyncSteps | None = None
    end: Callable[[], object] = verdict.end
    if verdict is not REAL:
        if not response.streaming:
            verdict.give_place_back()  # nothing is left to do, and nobody need close the response
        response = _own(response)
        end = weakref.finalize(response, verdict.end)
        for name in [name for name, _ in response.items() if is_cache_header(name)]:
            del response[name]
        response["Cache-Control"] = SIMULATED_CACHE_CONTROL
        response.setdefault(ACKNOWLEDGEMENT, SIMULATED)
    if response.streaming:
        if getattr(response, "is_async", False):
            response.streaming_content = steps = _AsyncSteps(verdict, response.streaming_content)
        elif verdict is not REAL or getattr(response, "file_to_stream", None) is None:
            # A real file is left as it is: the server can send it by itself.
            response.streaming_content = iter(
                partial(under, verdict, iter(response.streaming_content).__next__), _NEVER
            )
    response.close = _Close(verdict, response, steps, end)
    return response


_NEVER = object()


def _own(response: Any) -> Any:
    """Return a copy for one simulated request. The application may give one response to several, also to real ones."""
    own: Any = object.__new__(response.__class__)
    own.__dict__.update(response.__dict__)
    own.headers = type(response.headers)(dict(response.headers.items()))
    own.cookies = copy(response.cookies)
    if isinstance(own.__dict__.get("close"), _Close):
        del own.close  # that of another request, which is not over yet
    return own


class _AsyncSteps:
    """An async iterator. Each step runs under the verdict, and so does the end of one that is given up half-way."""

    __slots__ = ("_steps", "_verdict")

    def __init__(self, verdict: Real | Received, steps: AsyncIterator[Any]) -> None:
        self._verdict = verdict
        self._steps: AsyncIterator[Any] | None = steps

    def __aiter__(self) -> _AsyncSteps:
        return self

    async def __anext__(self) -> Any:
        if self._steps is None:
            raise StopAsyncIteration
        entered = enter(self._verdict, is_work=True)
        try:
            return await self._steps.__anext__()
        finally:
            leave(entered)

    def drop(self) -> None:
        """Let go of the iterator: an abandoned generator is closed in the context of this call."""
        self._steps = None


class _Close:
    """``close`` of a response, which runs the application's own closers and the signal ``request_finished``."""

    __slots__ = ("_close", "_end", "_response", "_steps", "_verdict")

    def __init__(
        self, verdict: Real | Received, response: Any, steps: _AsyncSteps | None, end: Callable[[], object]
    ) -> None:
        self._verdict = verdict
        self._end = end
        self._response = response
        self._close: Any = response.close
        self._steps = steps

    def __call__(self) -> None:
        try:
            under(self._verdict, self._closed)
        finally:
            self._end()

    def __reduce__(self) -> tuple[object, ...]:
        # A response is pickled into a cache without this object.
        return getattr, (self._response, "close")

    def _closed(self) -> None:
        # Restored as it was, and out of the reference cycle.
        response, self._response = self._response, None
        close, self._close = self._close, None
        steps, self._steps = self._steps, None
        if response is None:
            return
        if response.__dict__.get("close") is self:
            del response.close
        if steps is not None:
            steps.drop()
        close()
