"""Reads and writes the header of a message: the option ``baggage``.

Dramatiq lets middleware write options while a message is enqueued. The caller may enqueue the same message again for
other work, so the header is taken out after that.
"""

from __future__ import annotations

from typing import Any

from synthetic.integration import BAGGAGE, baggage_in, dispatch, go_on_after

__all__ = ["mark", "unmark"]


class _Sent(str):
    """The header of a message that is being enqueued; ``own`` are the caller's options in its place."""

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
        options[BAGGAGE] = sent = _Sent(header)
        sent.own = own


def unmark(options: dict[str, Any]) -> None:
    """Put the caller's own options back. A stale marker that real work left out stays out."""
    sent: Any = options.get(BAGGAGE)
    if type(sent) is _Sent:
        del options[BAGGAGE]
        options.update(sent.own)
