"""Reads and writes the header of a message: the option ``baggage``.

Dramatiq lets middleware write options while a message is enqueued. The caller may enqueue the same message again for
other work, so the header is taken out after that.
"""

from __future__ import annotations

from typing import Any, Final

from synthetic.integration import BAGGAGE, baggage_in, dispatch, go_on_after

__all__ = ["mark", "unmark"]


_SENT: Final = "_synthetic_sent"
"""The attribute of a message that is being enqueued: its header, and the caller's options in its place.

The header itself is a plain ``str``, because encoders need not take a subclass.
"""


def mark(message: Any) -> None:
    """Write the header that a message leaves with. Raises UnverifiedMarker."""
    unmark(message)  # enqueuing it may have failed before
    options: dict[str, Any] = message.options
    try:
        present = baggage_in(options)
        carried = ",".join(present) if present else None
        header, _ = dispatch(carried)
    except Exception as error:
        return go_on_after(error, None)
    if header == carried and len(present) < 2:
        return
    names = [name for name in options if baggage_in({name: options[name]})] if present else []
    own = {name: options.pop(name) for name in names}
    if header is not None:
        options[BAGGAGE] = header
        object.__setattr__(message, _SENT, (header, own))  # messages are frozen


def unmark(message: Any) -> None:
    """Put the caller's own options back. A stale marker that real work left out stays out."""
    sent: Any = message.__dict__.pop(_SENT, None)
    if sent is not None and message.options.get(BAGGAGE) is sent[0]:
        del message.options[BAGGAGE]
        message.options.update(sent[1])
