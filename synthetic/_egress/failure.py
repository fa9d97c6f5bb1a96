"""What happens to a call or message if the hook on it breaks, for example after a library upgrade.

A real call is sent: handling of simulated traffic must not stop real traffic. A call of marked work is not sent: its
marker may be missing, and without it simulated work would be executed as real.
"""

from __future__ import annotations

from traceback import format_tb
from typing import Final, TypeVar

from synthetic._config.in_force import active
from synthetic._egress.telemetry import sends_telemetry
from synthetic._model.throttled import ThrottledLog
from synthetic._model.verdict import Real
from synthetic._work.state import current_verdict
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
"""The errors that a bug raises. Other errors may be meant for the work: a task's time limit can be raised anywhere."""


def go_on_after(error: Exception, as_it_is: T) -> T:
    """Return ``as_it_is``, the unchanged call or message, if it may be sent after ``error``; otherwise raise ``error``.

    Call it where you catch an error in marker handling. Real work goes on, and the error is logged. So does work for
    which nothing was decided, unless the setting ``undeclared`` refuses that. A refusal (a SyntheticTrafficError) is
    always raised.
    """
    goes_on = isinstance(error, _FAULTS) and not isinstance(error, SyntheticTrafficError)
    if not goes_on or not _is_sent_anyway():
        try:
            raise error
        finally:
            del error  # its traceback holds this frame: the cycle would keep the call's connection open
    kind = type(error).__name__
    where = "".join(format_tb(error.__traceback__))  # without the error's message, which may quote a token
    _failures.warn(
        f"{kind} {where}",
        f"real call sent unchanged: marker handling failed with {kind}:\n{where}",
    )
    return as_it_is


def _is_sent_anyway() -> bool:
    verdict = current_verdict()
    return isinstance(verdict, Real) or (verdict is None and (active().undeclared == "real" or sends_telemetry()))
