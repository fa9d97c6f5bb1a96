"""The response where a guard refused an effect."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from synthetic.integration import problem_of

__all__ = ["refused"]


async def refused(connection: Request | WebSocket, error: Exception) -> Response | None:
    """Answer where a guard refused an effect: a problem document with status 403; a websocket is closed.

    Any other error is raised again.
    """
    answer = problem_of(error)
    if answer is None:
        raise error
    if isinstance(connection, WebSocket):
        await connection.close(1008, answer.reason)
        return None
    return Response(answer.body, answer.status, dict(answer.headers))
