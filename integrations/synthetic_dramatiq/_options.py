"""Where a message has its header: among its options, as ``baggage``.

Dramatiq lets middleware write there while a message is enqueued. The message may be the caller's own, which he enqueues
again for other work: what was written is taken out again.
"""

from __future__ import annotations

from typing import Any

from synthetic._carrier import NAME, baggage_in
from synthetic._egress import dispatch
from synthetic._failure import go_on_after

__all__ = ["mark", "unmark"]


class _Sent(str):
    """The header of a message that is being enqueued; ``own`` is what the caller had in its place."""

    __slots__ = ("own",)
    own: dict[str, Any]

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


def mark(options: dict[str, Any]) -> None:
    """Write the header that a message leaves with. Raises UnverifiedMarker."""
    unmark(options)  # enqueuing it may have failed before
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
        options[NAME] = sent = _Sent(header)
        sent.own = own


def unmark(options: dict[str, Any]) -> None:
    """Put back what the caller had there. What real work left out, a stale marker, stays away."""
    sent: Any = options.get(NAME)
    if type(sent) is _Sent:
        del options[NAME]
        options.update(sent.own)
