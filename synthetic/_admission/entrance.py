"""An entrance: one way into the process, with its own settings."""

from __future__ import annotations

from collections.abc import Sequence

from synthetic._admission.decision import AS_REAL, Decision, Refused, Terms, decide, take_turn
from synthetic._admission.shedding import Place
from synthetic._config import in_force
from synthetic._config.configuration import Configuration, OnMissing, OnUnverified, check_stripping
from synthetic._work.state import watch_generators
from synthetic.errors import ConfigurationError

__all__ = ["Entrance"]


class Entrance:
    """One way into the process: an application, a server, or the messages that the process consumes.

    A setting that you do not give here comes from the configuration. An invalid value raises ConfigurationError.

    With the setting ``shed="auto"``, each piece of simulated work takes a place, which it gives back with its end.
    ``has_places`` is False for messages that cannot be delivered later without holding up real ones. ``is_on_loop`` is
    True for a server on an event loop: it calls ``turn`` for every decision but ``AS_REAL``, and gives the place back
    when the response starts (``verdict.give_place_back()``).
    """

    def __init__(
        self,
        *,
        edge: bool | None = None,
        on_unverified: OnUnverified | None = None,
        on_missing: OnMissing | None = None,
        has_places: bool = True,
        is_on_loop: bool = False,
    ) -> None:
        _check_choice("on_unverified", on_unverified, ("refuse", "strip"))
        _check_choice("on_missing", on_missing, ("real", "refuse"))
        self.edge = edge
        self.on_unverified = on_unverified
        self.on_missing = on_missing
        self._has_places = has_places
        self._is_on_loop = is_on_loop
        self.open_under: object = ()
        """The configuration under which this entrance admits work without a marker as real.

        For the hot path: if there is no ``baggage`` header, and this is ``in_force.config``, the work is real, and
        you need not call ``decide``.
        """
        self._known: tuple[Configuration | None, Terms] = (None, Terms(False, True, 0, False, False))
        in_force.check_when_configured(self)

    def open(self) -> None:
        """Raise ConfigurationError if a variable or file is wrong, or if this entrance cannot work with the settings.

        Call it at start-up: when the application is built, or in its lifespan.
        """
        config = in_force.active()
        if in_force.is_declared:
            self.check(config)

    def check(self, config: Configuration) -> None:
        """Raise ConfigurationError if this entrance cannot work with ``config``."""
        check_stripping(self._terms(config).strips, config)

    def decide(self, headers: Sequence[str]) -> Decision:
        """Decide on a request whose ``baggage`` headers have these values, as text in latin-1; ``()`` for none."""
        config = in_force.config
        if not headers and self.open_under is config:
            return AS_REAL
        known = self._known
        if known[0] is not config or config is None:
            config = in_force.active()
            watch_generators()  # here the first request of a loop comes by
            return decide(headers, self._terms(config), config)
        return decide(headers, known[1], config)

    async def turn(self, decision: Decision) -> Decision:
        """Let a simulated request wait until the event loop has done everything else, if the service sheds by itself.

        Return Refused if the loop is too busy for simulated work, and otherwise the same decision. Do not call it for
        ``AS_REAL``: no real request waits, not even for an empty coroutine.
        """
        if isinstance(decision, Refused) or not isinstance(decision.verdict.place, Place):
            return decision
        return await take_turn(decision, in_force.active())

    def _terms(self, config: Configuration) -> Terms:
        known = self._known
        if known[0] is not config:
            edge = config.edge if self.edge is None else self.edge
            terms = Terms(
                strips=(self.on_unverified or config.on_unverified) == "strip",
                must_be_marked=(self.on_missing or config.on_missing) == "refuse",
                retention=0 if edge else config.retention,
                has_places=self._has_places,
                is_on_loop=self._is_on_loop,
            )
            self._known = known = config, terms
            self.open_under = () if terms.must_be_marked else config
        return known[1]


def _check_choice(name: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise ConfigurationError(f"{name}={value!r} is not one of: {', '.join(allowed)}", setting=name)
