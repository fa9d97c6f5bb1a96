"""The error for evaluations that nobody may answer."""

from __future__ import annotations

from openfeature.exception import InvalidContextError

from synthetic import UnverifiedMarker
from synthetic.integration import Reason

__all__ = ["UnverifiedContext"]


class UnverifiedContext(UnverifiedMarker, InvalidContextError):
    """A flag is evaluated for work whose marker does not verify. Also OpenFeature's ``InvalidContextError``.

    No evaluation raises it, for OpenFeature's evaluations raise nothing: it returns the default value, with the error
    code ``INVALID_CONTEXT``. Hooks for errors get it.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)  # OpenFeature's errors keep their message to themselves
        Exception.__init__(self, self.error_message)
