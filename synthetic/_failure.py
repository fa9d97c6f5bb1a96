"""What becomes of a call or message when our part in it fails, because a library has changed, or by a fault of ours.

For real work the call goes on: what watches over simulated traffic must not stop real traffic. For any other work the
marker may be missing now, and without it simulated work would be executed as real: it is not done.
"""

from __future__ import annotations

from traceback import format_tb
from typing import Final, TypeVar

from synthetic._throttled import ThrottledLog
from synthetic._verdict import Real, current_verdict
from synthetic.errors import SyntheticTrafficError

__all__ = ["go_on_after"]

T = TypeVar("T")

_failures = ThrottledLog()

_FAULTS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a fault raises. Anything else may be meant for the work: a task's time limit is raised wherever that happens to
be."""


def go_on_after(error: Exception, as_it_is: T) -> T:
    """Called where an ``error`` was caught: return what is to be sent, which is ``as_it_is``, or raise the error.

    It goes on for real work, and where nothing was decided; the error is logged. A refusal is no failure: it is raised.
    """
    goes_on = isinstance(error, _FAULTS) and not isinstance(error, SyntheticTrafficError)
    if not goes_on or not isinstance(current_verdict(), (Real, type(None))):
        try:
            raise error
        finally:
            del error  # whose traceback holds this frame: a cycle would keep the call's connection open
    kind = type(error).__name__
    where = "".join(format_tb(error.__traceback__))  # without the error's own words, which may quote a token
    _failures.warn(
        f"{kind} {where}",
        f"a call of real work goes on as it is, for what would look after its marker failed with {kind}:\n{where}",
    )
    return as_it_is
