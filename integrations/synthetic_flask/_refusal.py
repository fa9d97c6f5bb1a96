"""The response where a guard refused an effect."""

from __future__ import annotations

from flask import Response

from synthetic.integration import problem_of

__all__ = ["refused"]


def refused(error: Exception) -> Response:
    """Answer where a guard refused an effect: a problem document with status 403. Any other error is raised again."""
    answer = problem_of(error)
    if answer is None:
        raise error
    return Response(answer.body, answer.status, list(answer.headers))
