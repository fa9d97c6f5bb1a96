"""What leaves with a call to another service: the one rule for every client (PROTOCOL, "Egress").

A client integration asks ``depart`` once per hop, writes the header it is given, and makes the call inside
``Departure.in_context()``, for instrumentation further down writes what the OpenTelemetry context holds.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast

from opentelemetry import baggage, context

from synthetic import ledger
from synthetic._baggage import entry_of, find, merge
from synthetic._config import Configuration, active
from synthetic._policy import Action
from synthetic._verdict import MIRROR, REAL, Simulated, Verdict, current_verdict, marked, unmarked
from synthetic.errors import ExternalCallRefused

__all__ = ["EXTERNAL_CALL", "Departure", "depart"]

EXTERNAL_CALL: Final = "external-call"


@dataclass(frozen=True, repr=False)
class Departure:
    """How a call may leave: with ``header`` as its ``baggage`` header (None: without one). Its repr tells neither."""

    header: str | None
    otel: context.Context | None = None

    @contextmanager
    def in_context(self) -> Generator[None, None, None]:
        """The OpenTelemetry context for the length of the call: it says the same as the header."""
        if self.otel is None:
            yield
            return
        attached = context.attach(self.otel)
        try:
            yield
        finally:
            context.detach(attached)


def depart(host: str, header: str | None, *, refused: type[ExternalCallRefused] = ExternalCallRefused) -> Departure:
    """Decide how a call to ``host`` may leave that would send ``header`` as its ``baggage``.

    ``host`` is the parsed host name, without a port. Simulated work takes the marker along to hosts that take part;
    for any other the policy for ``external-call`` decides, and unless it says ``allow``, ``refused`` is raised. Real
    work takes no marker along, whatever stale one the header or the context holds. Raises UnverifiedMarker for work
    whose marker does not verify.
    """
    verdict = current_verdict()
    if verdict is REAL or (verdict is None and header is None):
        return _real(header)
    config = active()
    if verdict is None:
        # Nothing was decided here, and the caller has set the header: it says of itself what it is.
        if find((cast("str", header),), config.key).is_empty:
            return Departure(header)
        return Departure(header) if host in config.internal_hosts else _external(host, header, None, config, refused)
    if verdict.marker is None:
        return _real(header)
    if host not in config.internal_hosts:
        return _external(host, header, verdict, config, refused)
    token = cast("Simulated", verdict).token()
    entry = entry_of(config.key, token)
    present = context.get_current()
    carried = baggage.get_baggage(config.key, present) == token
    return Departure(
        entry if header is None else merge(header, config.key, entry),
        None if carried else marked(present, config.key, token),
    )


def _real(header: str | None) -> Departure:
    present = context.get_current()
    if header is None and not present:
        return _BARE
    config = active()
    stale = bool(present) and baggage.get_baggage(config.key, present) is not None
    return Departure(header and merge(header, config.key, None), unmarked(present) if stale else None)


_BARE: Final = Departure(None)


def _external(
    host: str, header: str | None, verdict: Verdict | None, config: Configuration, refused: type[ExternalCallRefused]
) -> Departure:
    marker = None if verdict is None else verdict.marker
    wanted = config.policy.get(EXTERNAL_CALL)
    action = Action.ALLOW if wanted is Action.ALLOW else Action.REFUSE
    ledger.record(ledger.Outcome(EXTERNAL_CALL, action, marker, host, None, config.service))
    if action is Action.REFUSE:
        work = f"simulated work (run {marker.run!r})" if marker else "a call that carries a marker"
        raise refused(
            f"{work} called {host!r}, which is not one of internal_hosts. A host that "
            "takes part belongs in internal_hosts; for one that may be called for real, without the marker, the "
            f"policy for {config.environment!r} needs {EXTERNAL_CALL} = 'allow'.",
            effect=EXTERNAL_CALL,
            marker=marker,
            target=host,
        )
    # Only the baggage leaves the process. The verdict stays: what the call does here in passing is still simulated.
    present = baggage.remove_baggage(config.key, context.set_value(MIRROR, verdict, context.get_current()))
    return Departure(header and merge(header, config.key, None), present)
