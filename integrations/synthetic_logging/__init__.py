"""The marker in the records of the standard library's logging, for formats and for JSON.

``instrument()`` (or ``synthetic.instrument("logging")``) gives every record the fields; ``SyntheticFilter`` those that
pass through one logger or handler; ``fields()`` is what they are, for any other logger.
"""

from __future__ import annotations

import logging

from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic_logging._fields import fields, names
from synthetic_logging._record import SyntheticFilter, marking

__all__ = ["SyntheticFilter", "fields", "instrument", "integration", "names", "uninstrument"]

# Not logging.setLogRecordFactory: what the factory sets, a caller's extra= must not have, or the call raises KeyError.
integration: Integration = Patches(Patch(logging.Logger, "makeRecord", marking))
"""The entry point ``logging``."""


def instrument() -> None:
    """Give the fields to every record that a logger makes. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
