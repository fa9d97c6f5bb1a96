"""What happens in staging: deployments, what the run says about them, and what it should have said."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from company import Staging
from report import Sinks
from services import Service, ServiceFailed
from webhook import Document, Webhook

START_SECONDS = 90
"""How long the first journeys may take. Importing Locust takes seconds on a busy machine."""

JOURNEYS = {"ride", "drive"}


@dataclass
class Story:
    """Tells what happens, with the time. ``missed`` is what the run should have noticed, and did not."""

    company: Staging
    run: Service
    webhook: Webhook
    console: Console
    calm: float
    patience: float
    missed: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    begin: float = field(default_factory=time.monotonic)
    since: float = field(default_factory=time.monotonic)
    """When the last release began to take requests."""

    def say(self, who: str, what: str, style: str = "") -> None:
        """Print a line of the time line."""
        seconds = time.monotonic() - self.begin
        self.console.print(
            f"{seconds:5.1f} s  {who:<8}  {what}", style=style, markup=False, highlight=False, soft_wrap=True
        )
        self.console.file.flush()

    def deploy(self, name: str, script: Path, *arguments: str, what: str) -> None:
        """Deploy a release, and say so."""
        before = self.company.deploy(name, script, *arguments)
        self.since = time.monotonic()
        self.say("deployed", what, "bold")
        self.company.retire(before)

    def expect(self, what: str, is_it: Callable[[Document], bool], seconds: float | None = None) -> None:
        """Listen until the run says what ``is_it`` is true for."""
        end = time.monotonic() + (seconds or self.patience)
        while time.monotonic() < end:
            document = self.listen(0.1)
            if document is not None and is_it(document):
                self.say("noticed", f"{what}, after {time.monotonic() - self.since:.1f} s", "bold green")
                return
            if document is None and self.run.ended() is not None:
                break
        self.say("MISSED", what, "bold red")
        self.missed.append(what)

    def rest(self) -> None:
        """Let some time pass in which nothing is wrong."""
        end = time.monotonic() + self.calm
        while time.monotonic() < end:
            document = self.listen(0.1)
            if document is not None and document["state"] != "healthy":
                self.missed.append(f"that nothing was wrong: {document['text']}")

    def listen(self, seconds: float) -> Document | None:
        """Return what the run says next, and print it; None if it says nothing."""
        self.company.check()
        try:
            document = self.webhook.said.get(timeout=seconds)
        except queue.Empty:
            if self.run.ended() not in (None, 3):
                self.run.check()
            return None
        if "journey" in document:
            self.states[document["journey"]] = document["state"]
        self.say("the run", in_short(document["text"]), "" if document["state"] == "healthy" else "red")
        return document

    def all_healthy(self, _: Document) -> bool:
        """Whether the last that was said of every journey is that it is healthy."""
        return self.states == dict.fromkeys(JOURNEYS, "healthy")

    def ended(self, seconds: float) -> int | None:
        """Wait for the end of the run; return its exit code, or None if it goes on."""
        end = time.monotonic() + seconds
        while self.run.ended() is None and time.monotonic() < end:
            time.sleep(0.05)
        return self.run.ended()


def tell(story: Story, rides: Path, releases: Path) -> None:
    """Tell the whole story. Raises ServiceFailed if a service or the run dies by itself."""
    story.say("deployed", "payments, rides, analytics, maps, mail", "bold")
    story.expect("all journeys are healthy", story.all_healthy, START_SECONDS)
    if story.missed:
        story.run.check()
        raise ServiceFailed(f"the simulated riders do not get going: {story.states or 'they say nothing'}")
    story.rest()

    story.deploy("payments", releases, "payments", what="payments, a release that wants a currency with each charge")
    story.expect(
        "the broken release, with journey, step and cause",
        lambda said: (said.get("journey"), said.get("step"), said.get("cause")) == ("drive", "finish", "HTTP 500"),
    )
    story.deploy("payments", rides / "payments.py", what="payments, the release before")
    story.expect("the repair", story.all_healthy)
    story.rest()

    story.deploy("rides", releases, "rides", what="rides, a release that has lost its middleware")
    story.expect("the lost middleware", lambda said: said["state"] == "stopped" and said["guardrail"])
    code = story.ended(story.patience)
    if code == 3:
        story.say("the run", "has ended with exit code 3")
    else:
        story.missed.append(f"the lost middleware: the exit code is {code}, not 3")


def verdict(missed: list[str], sinks: Sinks, console: Console) -> int:
    """Print what came of it; return the exit code."""
    places = f"{len(sinks.stored)} rides, {len(sinks.charged)} charges, {len(sinks.mailed)} mails"
    console.print(f"In the books: {places}. Everybody was simulated.", highlight=False, soft_wrap=True)
    for what in missed:
        console.print(f"NOT NOTICED: {what}", style="bold red", highlight=False, markup=False, soft_wrap=True)
    if not missed:
        console.print("Everything was noticed.", style="bold green")
    return 1 if missed else 0


def in_short(text: str) -> str:
    """Return the first sentence, without a trace id: nobody keeps traces here."""
    sentence = text.partition(". ")[0]
    return sentence.partition(", trace ")[0] + ")" if ", trace " in sentence else sentence
