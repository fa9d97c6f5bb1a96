"""The requests of one browser: each is paused just above the network, and decided on.

Playwright's own ``route`` is no place for that. It does not see redirect hops, to which it repeats the headers that a
route has added: the token would go to whatever host a service redirects to. And another route may pass it by.
A session with the browser itself sees every hop of every request, also of popups and workers, below all routes.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from playwright.sync_api import Error

from synthetic.errors import SyntheticTrafficError, UnverifiedMarker
from synthetic.integration import BAGGAGE, Reason, Simulated, depart, enter, is_baggage, leave
from synthetic_playwright._flow import Api, Flow, handler
from synthetic_playwright._frames import Frames
from synthetic_playwright._refusal import ExternalRequestRefused

__all__ = ["Marked", "Requests"]

_log = logging.getLogger("synthetic")


class Marked:
    """A browser context whose requests are simulated, as long as the work of ``verdict`` goes on."""

    def __init__(self, verdict: Simulated) -> None:
        self.verdict = verdict
        self._complaints: set[str] = set()

    def departing(self, url: str, carried: str | None) -> str | None:
        """Return the ``baggage`` header for a request to ``url``. Raises SyntheticTrafficError."""
        entered = enter(self.verdict)
        try:
            return depart(url, carried, refused=ExternalRequestRefused).header
        finally:
            leave(entered)

    def complain(self, what: str) -> None:
        """Log once that something was refused: a page tells nobody, and asks again and again."""
        if what not in self._complaints:
            self._complaints.add(what)
            _log.warning("a simulated browser was refused a request: %s", what)


class _Round:
    """One reading of all frame trees, for requests that were paused before it. A page that is busy answers late."""

    def __init__(self, events: list[Any]) -> None:
        self.events = events
        self.asked: set[str] | None = None
        """The sessions that tell; None while they are being asked."""


class Requests:
    """The paused requests of a browser. Those of contexts that are not marked go on as they are."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._frames = Frames(session)
        self._marked: dict[str, Marked] = {}
        self._waiting: list[Any] = []
        """The requests whose context is not known yet."""
        self._rounds: list[_Round] = []
        self._is_asking = False

    def start(self, api: Api) -> Flow[None]:
        """From now on, pause each request of each document that is loaded."""
        self._session.on("Fetch.requestPaused", handler(api, self._paused))
        self._session.on("Target.receivedMessageFromTarget", handler(api, self._answered))
        self._session.on("Target.detachedFromTarget", handler(api, self._ended))
        yield partial(self._session.send, "Fetch.enable", {"patterns": [{"urlPattern": "*"}]})

    def mark(self, owner: str, marked: Marked) -> None:
        """Decide on the requests of the context with the id ``owner``, also on those that come after it is closed."""
        self._marked[owner] = marked

    def _paused(self, event: Any) -> Flow[None]:
        owner = yield from self._frames.owner(_frame_of(event))
        if owner is not None:
            yield from self._decided(owner, event)
            return
        self._waiting.append(event)
        if not self._is_asking:
            yield from self._ask()

    def _ask(self) -> Flow[None]:
        """Read the frame trees, and again for the requests that were paused meanwhile."""
        self._is_asking = True
        try:
            while unasked := [event for event in self._waiting if not any(event in one.events for one in self._rounds)]:
                one = _Round(unasked)
                self._rounds.append(one)
                one.asked = yield from self._frames.ask()
                yield from self._go_on()
        finally:
            self._is_asking = False

    def _answered(self, event: Any) -> Flow[None]:
        yield from self._frames.answered(event)
        yield from self._go_on()

    def _ended(self, event: Any) -> Flow[None]:
        self._frames.ended(event["sessionId"])
        yield from self._go_on()

    def _go_on(self) -> Flow[None]:
        """Decide on the requests whose context is known now. Block those whose frame stands in no tree."""
        for event in tuple(self._waiting):
            owner = self._frames.known(_frame_of(event))
            if owner is not None and event in self._waiting:
                self._waiting.remove(event)
                yield from self._decided(owner, event)
        over = [one for one in self._rounds if one.asked is not None and not any(map(self._frames.is_open, one.asked))]
        self._rounds = [one for one in self._rounds if one not in over]
        for event in [event for one in over for event in one.events if event in self._waiting]:
            self._waiting.remove(event)
            _log.warning("a browser's request was blocked: its frame is gone, so nobody can tell whose request it is")
            yield from self._blocked(event)

    def _decided(self, owner: str, event: Any) -> Flow[None]:
        marked, url = self._marked.get(owner), event["request"]["url"]
        if marked is None or not url.startswith(("http://", "https://")):
            yield from self._continued(event, {})
            return
        headers = event["request"]["headers"]
        carried = next((value for name, value in headers.items() if is_baggage(name)), None)
        try:
            header = marked.departing(url, carried)
        except Exception as error:  # whatever it is, nothing may leave
            marked.complain(_reason(error))
            yield from self._blocked(event)
            return
        yield from self._continued(event, {} if header == carried else {"headers": _with_header(headers, header)})

    def _continued(self, event: Any, changes: dict[str, Any]) -> Flow[None]:
        try:
            yield partial(self._session.send, "Fetch.continueRequest", {"requestId": event["requestId"], **changes})
        except Error:
            yield from self._blocked(event)

    def _blocked(self, event: Any) -> Flow[None]:
        blocked = {"requestId": event["requestId"], "errorReason": "BlockedByClient"}
        try:
            yield partial(self._session.send, "Fetch.failRequest", blocked)
        except Error:
            return  # the page has given it up, or is closed


def _frame_of(event: Any) -> str:
    return str(event.get("frameId", ""))


def _reason(error: Exception) -> str:
    if isinstance(error, UnverifiedMarker) and error.reason is Reason.OUTLIVED:
        return (
            "the simulated work that its context belongs to has ended. Close the context before that, or mark() it "
            "again inside of the next work."
        )
    return str(error) if isinstance(error, SyntheticTrafficError) else type(error).__name__


def _with_header(headers: dict[str, str], header: str | None) -> list[dict[str, str]]:
    kept = [{"name": name, "value": value} for name, value in headers.items() if not is_baggage(name)]
    return kept if header is None else [*kept, {"name": BAGGAGE, "value": header}]
