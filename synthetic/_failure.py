"""What becomes of a call or message when our part in it fails, because a library has changed, or by a fault of ours.

For real work the call goes on: what watches over simulated traffic must not stop real traffic. For any other work the
marker may be missing now, and without it simulated work would be executed as real: it is not done.
"""

from __future__ import annotations

from typing import TypeVar

from synthetic._throttled import ThrottledLog
from synthetic._verdict import Real, current_verdict
from synthetic.errors import SyntheticTrafficError

__all__ = ["go_on_after"]

T = TypeVar("T")

_failures = ThrottledLog()


def go_on_after(error: Exception, as_it_is: T) -> T:
    """Called where an ``error`` was caught: return what is to be sent, which is ``as_it_is``, or raise the error.

    It goes on for real work, and where nothing was decided; the error is logged. A refusal is no failure: it is raised.
    """
    if isinstance(error, SyntheticTrafficError) or not isinstance(current_verdict(), (Real, type(None))):
        try:
            raise error
        finally:
            del error  # whose traceback holds this frame: a cycle would keep the call's connection open
    _failures.warn(
        f"{type(error).__name__} {error}",
        "a call of real work goes on as it is, for what would look after its marker failed",
        exc_info=error,
    )
    return as_it_is
