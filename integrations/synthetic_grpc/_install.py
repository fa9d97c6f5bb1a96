"""Our interceptor in every server that is created while the patch is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

__all__ = ["admitting"]


def admitting(interceptor: Callable[..., Any]) -> Callable[[Any, Callable[[], bool]], Any]:
    """Return the wrapper for the constructor of a server, which takes interceptors of this class.

    Ours goes first, so that a refused call reaches nothing else; one that is there already has its own settings.
    """

    def wrap(original: Any, is_on: Callable[[], bool]) -> Any:
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
