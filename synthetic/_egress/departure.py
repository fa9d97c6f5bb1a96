"""Outgoing calls and messages: which may be sent, and with which baggage (docs/protocol.md, "Inside and onward").

A client integration calls ``depart`` once per hop, and an integration for messages calls ``dispatch``. It writes the
header that it gets, and makes the call through ``within``, because instrumentation further down writes the baggage of
the OpenTelemetry context. Stacked clients (requests over urllib3 over http.client) each ask, and the answers agree.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, NamedTuple, ParamSpec, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from opentelemetry import baggage, context

from synthetic import ledger
from synthetic._config.configuration import Configuration
from synthetic._config.in_force import active
from synthetic._egress.telemetry import sends_telemetry
from synthetic._model.action import Action
from synthetic._model.reason import Reason
from synthetic._model.verdict import REAL, Simulated, Verdict
from synthetic._wire.baggage import NOTHING, TOO_LONG, Found, entry_of, find, merge
from synthetic._work.mirror import MIRROR, marked, unmarked
from synthetic._work.state import VERDICT, current_verdict, marker_of
from synthetic.errors import ExternalCallRefused, UndeclaredWork, UnverifiedMarker

__all__ = [
    "EXTERNAL_CALL",
    "Departure",
    "Within",
    "beside_message",
    "check_undeclared",
    "depart",
    "directly",
    "dispatch",
    "internal_hosts",
    "takes_part",
]

P = ParamSpec("P")
R = TypeVar("R")

if sys.version_info >= (3, 11):
    from operator import call as _call
else:

    def _call(call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return call(*args, **kwargs)


EXTERNAL_CALL: Final = "external-call"

_DECIDED: Final = context.create_key("synthetic-decided")
"""The host that an outer client has decided on. Inner clients do not decide again: the ledger has the decision."""

_get_verdict = VERDICT.get


class Within(Protocol):
    """Makes a call in the OpenTelemetry context of a departure; also one whose result is a coroutine, to be awaited."""

    def __call__(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return ``call(*args, **kwargs)``."""
        ...


directly: Final[Within] = _call
"""Makes a call in the current OpenTelemetry context."""


class Departure(NamedTuple):
    """How a call or message may be sent: with ``header`` as its ``baggage`` header, or without one if that is None.

    Make the call through ``within``: its OpenTelemetry context matches the header. The repr shows neither.
    """

    header: str | None
    within: Within = directly

    def __repr__(self) -> str:
        return f"<departure {'with' if self.header else 'without'} baggage>"


_BARE: Final = Departure(None)


def _within(otel: context.Context) -> Within:
    return partial(_called_in, otel)


def _called_in(otel: context.Context, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    attached = context.attach(otel)
    try:
        result: Any = call(*args, **kwargs)
    finally:
        context.detach(attached)
    is_awaited = isinstance(result, Coroutine)  # also one that a compiler made, which inspect does not know
    return cast("R", _awaited_in(otel, cast("Any", result)) if is_awaited else result)


async def _awaited_in(otel: context.Context, coroutine: Coroutine[Any, Any, R]) -> R:
    attached = context.attach(otel)
    try:
        return await coroutine
    finally:
        context.detach(attached)


def depart(url: str, header: str | None, *, refused: type[ExternalCallRefused] = ExternalCallRefused) -> Departure:
    """Decide which ``baggage`` header a call to ``url`` may carry, given the ``header`` that it has.

    Only the host name of the URL counts; ``//host:port`` is enough. Simulated work sends its marker to hosts that take
    part. For any other host, the policy for ``external-call`` decides: ``allow`` makes the call without the marker,
    and anything else raises ``refused``. If the policy says nothing, a call that sends telemetry is made too. Real
    work sends no marker, even if the header or the context holds a stale one. If nothing was decided, a marker in the
    header belongs to the caller: it is sent to hosts that take part. Raises UnverifiedMarker for work whose marker
    does not verify, and UndeclaredWork where the setting ``undeclared`` refuses a call on which nothing was decided.
    """
    if header is None and (_get_verdict() or _undecided()) is REAL and not context.get_current():
        return _BARE  # nearly every call
    config = active()
    found = NOTHING if header is None else _found_in(header, config)
    verdict = current_verdict()
    if verdict is None and found.is_empty:
        check_undeclared(config)
    if verdict is REAL or (marker_of(verdict) is None and found.is_empty):
        return _real(header, found, config)
    host = urlsplit(url).hostname or ""
    if host and context.get_value(_DECIDED) == host:
        return Departure(header)
    if host not in config.internal_hosts:
        return _external(host, header, found, verdict, config, refused)
    return _simulated(header, found, verdict, config) if isinstance(verdict, Simulated) else Departure(header)


def dispatch(header: str | None) -> Departure:
    """Decide which ``baggage`` header a message may carry, given the ``header`` that it has. Every broker takes part.

    Simulated work sends its marker, and real work sends none. If nothing was decided, the header stays unchanged.
    Raises the errors of ``depart``.
    """
    if header is None and (_get_verdict() or _undecided()) is REAL and not context.get_current():
        return _BARE
    config = active()
    verdict = current_verdict()
    if verdict is None:
        if _undecided() is None and (header is None or _found_in(header, config).is_empty):
            check_undeclared(config)
        return Departure(header)
    marker_of(verdict)
    found = NOTHING if header is None else _found_in(header, config)
    if isinstance(verdict, Simulated):
        return _simulated(header, found, verdict, config)
    return _real(header, found, config)


def _undecided() -> Verdict | None:
    """Return what counts if nothing was decided: real, unless such calls are refused."""
    return REAL if active().undeclared == "real" else None


def check_undeclared(config: Configuration) -> None:
    """Raise UndeclaredWork if calls on which nothing was decided are refused. Telemetry is sent all the same."""
    if config.undeclared == "refuse" and not sends_telemetry():
        raise UndeclaredWork


def _found_in(header: str, config: Configuration) -> Found:
    found = find((header,), config.key)
    if found is TOO_LONG:
        raise UnverifiedMarker(Reason.TOO_LONG)
    return found


def internal_hosts() -> tuple[str, ...]:
    """Return the hosts that take part, as the setting ``internal_hosts`` gives them, or its default."""
    return active().internal_hosts.entries


def takes_part(host: str) -> bool:
    """Return whether the marker may be sent to ``host``, a host name."""
    return host in active().internal_hosts


def beside_message(url: str) -> Within:
    """Return how to make an HTTP request that brings a message to a broker at ``url``.

    The message in the request carries the marker, and no HTTP header does. HTTP clients further down do not decide on
    this host again, and add nothing. Raises UnverifiedMarker for work whose marker does not verify.
    """
    header, within = dispatch(None)
    return within if header is None else _without_marker(active(), current_verdict(), urlsplit(url).hostname or "")


def _simulated(header: str | None, found: Found, verdict: Simulated, config: Configuration) -> Departure:
    token = verdict.token()
    entry = entry_of(config.key, token)
    present = context.get_current()
    is_carried = baggage.get_baggage(config.key, present) == token
    return Departure(
        entry if header is None else merge(header, found, entry),
        directly if is_carried else _within(marked(present, verdict, config.key)),
    )


def _real(header: str | None, found: Found, config: Configuration) -> Departure:
    present = context.get_current()
    is_stale = baggage.get_baggage(config.key, present) is not None
    return Departure(header and merge(header, found, None), _within(unmarked(present)) if is_stale else directly)


def _external(
    host: str,
    header: str | None,
    found: Found,
    verdict: Verdict | None,
    config: Configuration,
    refused: type[ExternalCallRefused],
) -> Departure:
    marker = marker_of(verdict)
    wanted = config.policy.get(EXTERNAL_CALL)
    action = Action.ALLOW if wanted is Action.ALLOW or (wanted is None and sends_telemetry()) else Action.REFUSE
    ledger.record(ledger.Outcome(EXTERNAL_CALL, action, marker, host, None, config.service))
    if action is Action.REFUSE:
        if isinstance(verdict, Simulated):
            verdict.refused = EXTERNAL_CALL
        work = f"simulated work (run {marker.run!r})" if marker else "a call that carries a marker"
        called = f"{host!r}, which is" if host else "an unknown host (a client made before instrument()?), which is"
        raise refused(
            f"{work} called {called} not one of internal_hosts. If the host takes part, add it to internal_hosts. If "
            "simulated work may really call it, without the marker, set "
            f"{EXTERNAL_CALL} = 'allow' in the policy for {config.environment!r}.",
            effect=EXTERNAL_CALL,
            marker=marker,
            target=host,
        )
    return Departure(header and merge(header, found, None), _without_marker(config, verdict, host))


def _without_marker(config: Configuration, verdict: Verdict | None, host: str) -> Within:
    """Return how to make a call without the marker.

    Only the baggage leaves the process, so only that is removed. The code that makes the call is still simulated.
    """
    present = context.set_value(MIRROR, verdict, context.get_current())
    return _within(baggage.remove_baggage(config.key, context.set_value(_DECIDED, host, present)))
