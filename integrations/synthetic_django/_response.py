"""What Django does for a request when every middleware is done: send a streamed body, and close the response."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from synthetic._carry import Carried
from synthetic._http import CACHE_HEADERS, SIMULATED_CACHE_CONTROL
from synthetic._verdict import REAL, Real, Received, enter, leave

__all__ = ["cover"]


def cover(response: Any, verdict: Real | Received) -> Any:
    """Return ``response``, whose streamed body and end have the verdict of its request, and nothing else has."""
    steps: _AsyncSteps | None = None
    if verdict is not REAL:
        for name in CACHE_HEADERS:
            del response[name]  # where it is there
        response["Cache-Control"] = SIMULATED_CACHE_CONTROL
    if response.streaming:
        if getattr(response, "is_async", False):
            response.streaming_content = steps = _AsyncSteps(verdict, response.streaming_content)
        elif verdict is not REAL or getattr(response, "file_to_stream", None) is None:
            # A real file is left as it is: the server can send it by itself.
            response.streaming_content = iter(Carried(verdict, iter(response.streaming_content).__next__), _NEVER)
    response.close = _Close(verdict, response, steps)
    return response


_NEVER = object()


class _AsyncSteps:
    """An async iterator whose every step has the verdict, and so has the end of one that is given up half-way."""

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
        """Let go of the iterator: what closes a generator that nobody has any more runs in the context of this."""
        self._steps = None


class _Close:
    """``close`` of a response, with what the application does then, and the signal ``request_finished``."""

    __slots__ = ("_close", "_response", "_steps", "_verdict")

    def __init__(self, verdict: Real | Received, response: Any, steps: _AsyncSteps | None) -> None:
        self._verdict = verdict
        self._response = response
        self._close: Any = response.close
        self._steps = steps

    def __call__(self) -> None:
        Carried(self._verdict, self._closed)()

    def __reduce__(self) -> tuple[object, ...]:
        # Where a response goes into a cache, nothing of ours goes with it.
        return getattr, (self._response, "close")

    def _closed(self) -> None:
        # Back as it was, and no part of a cycle any more.
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
