"""The marker in the records of the standard library's logging, for formats and for JSON.

``synthetic.instrument("logging")`` gives the fields to every record; ``SyntheticFilter`` gives them to the records that
pass through one logger or handler. ``fields()`` returns them, for any other logging library.
"""

from __future__ import annotations

import logging

from synthetic.integration import Integration, Patch, Patches
from synthetic_logging._fields import fields, names
from synthetic_logging._record import SyntheticFilter, marking

__all__ = ["SyntheticFilter", "fields", "integration", "names"]

# Not logging.setLogRecordFactory: a caller's extra= that has a field which the factory sets raises KeyError.
integration: Integration = Patches(Patch(logging.Logger, "makeRecord", marking))
"""The entry point ``logging``: every record that a logger makes has the fields."""
