"""What leaves with a call or a message: the one rule for every client (PROTOCOL, "Egress").

A client integration asks ``depart`` once per hop, and one for messages ``dispatch``; it writes the header it is given,
and makes the call inside ``in_context``, for instrumentation further down writes what the OpenTelemetry context holds.
Where clients are stacked (requests over urllib3 over http.client) each asks, and the answers agree.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

from opentelemetry import baggage, context

from synthetic import ledger
from synthetic._baggage import entry_of, find, merge
from synthetic._config import Configuration, active
from synthetic._outlived import report_if_outlived
from synthetic._policy import Action
from synthetic._verdict import MIRROR, REAL, VERDICT, Simulated, Verdict, current_verdict, marked, unmarked
from synthetic.errors import ExternalCallRefused

__all__ = ["EXTERNAL_CALL", "Departure", "at_broker", "depart", "dispatch", "in_context"]

EXTERNAL_CALL: Final = "external-call"

_DECIDED: Final = context.create_key("synthetic-decided")
"""The host that a client further up has decided on, for those below it: the decision is on the ledger already."""

_get_verdict = VERDICT.get


class Departure(NamedTuple):
    """How a call may leave: with ``header`` as its ``baggage`` header (None: without one). Its repr tells neither."""

    header: str | None
    otel: context.Context | None = None

    def __repr__(self) -> str:
        return f"<departure {'with' if self.header else 'without'} baggage>"


_BARE: Final = Departure(None)


@contextmanager
def in_context(otel: context.Context) -> Generator[None, None, None]:
    """The OpenTelemetry context of a departure, for the length of the call: it says the same as the header."""
    attached = context.attach(otel)
    try:
        yield
    finally:
        context.detach(attached)


def depart(url: str, header: str | None, *, refused: type[ExternalCallRefused] = ExternalCallRefused) -> Departure:
    """Decide how a call to ``url`` may leave that would send ``header`` as its ``baggage``.

    Of the URL only the host name counts; ``//host:port`` will do. Simulated work takes the marker along to hosts that
    take part; for any other the policy for ``external-call`` decides, and unless it says ``allow``, ``refused`` is
    raised. Real work takes no marker along, whatever stale one the header or the context holds. Where nothing was
    decided, a marker in the header is the caller's own word, and goes to hosts that take part. Raises UnverifiedMarker
    for work whose marker does not verify.
    """
    if header is None and (_get_verdict() or REAL) is REAL and not context.get_current():
        return _BARE  # nearly every call
    verdict = current_verdict()
    if verdict is None:
        if header is None or find((header,), active().key).is_empty:
            return _real(header)
    elif verdict.marker is None:
        return _real(header)
    config = active()
    host = urlsplit(url).hostname or ""
    if host and context.get_value(_DECIDED) == host:
        return Departure(header)
    if host not in config.internal_hosts:
        return _external(host, header, verdict, config, refused)
    return _simulated(header, verdict, config) if isinstance(verdict, Simulated) else Departure(header)


def dispatch(header: str | None) -> Departure:
    """Decide how a message may leave that would have ``header`` as its ``baggage``; whatever the broker, it is inside.

    Simulated work sends its marker along, real work none, and where nothing was decided the header stays as it is.
    Raises UnverifiedMarker for work whose marker does not verify.
    """
    if header is None and (_get_verdict() or REAL) is REAL and not context.get_current():
        return _BARE
    verdict = current_verdict()
    if verdict is None:
        return Departure(header)
    if verdict.marker is None:
        return _real(header)
    return _simulated(header, cast("Simulated", verdict), active())


def at_broker(host: str) -> context.Context | None:
    """Return the OpenTelemetry context for the calls of simulated work to a broker at ``host`` that speaks HTTP.

    Clients below take that host as inside and add nothing: the message has the marker. None for work that is not
    simulated.
    """
    verdict = current_verdict()
    if verdict is None or verdict.marker is None:
        return None
    return context.set_value(_DECIDED, host)


def _simulated(header: str | None, verdict: Simulated, config: Configuration) -> Departure:
    report_if_outlived(verdict, None, config)
    token = verdict.token()
    entry = entry_of(config.key, token)
    present = context.get_current()
    is_carried = baggage.get_baggage(config.key, present) == token
    return Departure(
        entry if header is None else merge(header, config.key, entry),
        None if is_carried else marked(present, verdict, config.key),
    )


def _real(header: str | None) -> Departure:
    config = active()
    present = context.get_current()
    is_stale = baggage.get_baggage(config.key, present) is not None
    return Departure(header and merge(header, config.key, None), unmarked(present) if is_stale else None)


def _external(
    host: str, header: str | None, verdict: Verdict | None, config: Configuration, refused: type[ExternalCallRefused]
) -> Departure:
    marker = None if verdict is None else verdict.marker
    wanted = config.policy.get(EXTERNAL_CALL)
    action = Action.ALLOW if wanted is Action.ALLOW else Action.REFUSE
    ledger.record(ledger.Outcome(EXTERNAL_CALL, action, marker, host, None, config.service))
    if action is Action.REFUSE:
        work = f"simulated work (run {marker.run!r})" if marker else "a call that carries a marker"
        called = f"{host!r}, which is" if host else "a host that nobody can name (a client made before instrument()?),"
        raise refused(
            f"{work} called {called} not one of internal_hosts. A host that "
            "takes part belongs in internal_hosts; for one that may be called for real, without the marker, the "
            f"policy for {config.environment!r} needs {EXTERNAL_CALL} = 'allow'.",
            effect=EXTERNAL_CALL,
            marker=marker,
            target=host,
        )
    return Departure(header and merge(header, config.key, None), _unmarked_call(config, verdict, host))


def _unmarked_call(config: Configuration, verdict: Verdict | None, host: str) -> context.Context:
    """The OpenTelemetry context of a call that takes no marker along.

    Only the baggage leaves the process. The verdict stays: what the call does here in passing is still simulated.
    """
    present = context.set_value(MIRROR, verdict, context.get_current())
    return baggage.remove_baggage(config.key, context.set_value(_DECIDED, host, present))
