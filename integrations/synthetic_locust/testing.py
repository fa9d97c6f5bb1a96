"""The actors of a Locust file in a test: each acts once, in a thread of its own, and a failed journey fails the test.

Import this module before Locust, for example at the top of ``conftest.py``: it keeps Locust from patching the process.
"""

from __future__ import annotations

import synthetic_locust._unpatched  # noqa: F401  # pyright: ignore[reportUnusedImport] - first

# isort: split
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import gevent  # type: ignore[import-untyped]
from gevent import monkey
from locust import TaskSet, User
from locust.env import Environment
from locust.event import Events
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopUser

import synthetic
import synthetic.testing
from synthetic.integration import instrumented, internal_hosts
from synthetic_locust._actors import as_name
from synthetic_locust._answers import Answer
from synthetic_locust._counting import Counting
from synthetic_locust._journeys import Cause, JourneyFailed, observe_here, observer_here
from synthetic_locust._out import naming, noticing
from synthetic_locust._served import served
from synthetic_locust._tally import NO_STEP, Ended, Tally

__all__ = ["JourneyFailed", "once"]

_PAUSE: Final = 0.01
"""Seconds between two rounds of an actor that goes on for the sake of the first one."""

_ENDS_OF_TASKS: Final = (InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately)


def once(*actors: type[User], app: Any = None, url: str | None = None, seconds: float = 30.0) -> dict[str, int]:
    """Have actors act once, and return how many journeys have completed, by name.

    The first actor does each of its tasks once. The others do theirs again and again until it is done, for it may need
    them: a ride needs a driver. With ``app``, an ASGI or WSGI application is served on loopback by a thread of this
    process, under a key made for this. With ``url``, a server is called, under the keys in force.

    Raises JourneyFailed, which names journey, step and cause, as soon as a journey has failed, or a request outside of
    a journey; the other actors stop. An error in a task is raised as it is. Raises TimeoutError if the first actor is
    not done in ``seconds``, and ConfigurationError if the application has not called ``synthetic.instrument``.
    """
    if not actors:
        raise TypeError("once() needs the classes of the actors: once(Rider, Driver, app=app)")
    if (app is None) == (url is None):
        raise TypeError("once() takes either app= or url=")
    if monkey.is_module_patched("threading") or monkey.is_module_patched("socket"):
        raise RuntimeError(
            "gevent has patched this process, so the test and its application would run on greenlets. Set "
            "LOCUST_SKIP_MONKEY_PATCH=1 before Locust is imported: import synthetic_locust.testing first, for example "
            "at the top of conftest.py."
        )
    with ExitStack() as stack:
        if app is not None:
            stack.enter_context(synthetic.configured(keys=synthetic.testing.keys()))
            url = stack.enter_context(served(app))
            with synthetic.simulated(run="once", kind="test"):
                pass  # an error now, if the application has not called instrument(): what follows would hide it
        host = str(url)
        hosts = [*internal_hosts(), urlsplit(host).hostname or ""]
        stack.enter_context(synthetic.configured(internal_hosts=hosts))
        ours = [name for name in ("requests", "locust") if name not in instrumented()]
        if ours:
            synthetic.instrument(*ours)
            stack.callback(synthetic.uninstrument, *ours)
        return _Once(host, seconds).act(stack, actors)


class _Stopped(BaseException):
    """Another actor's journey has failed."""


class _Once:
    def __init__(self, host: str, seconds: float) -> None:
        self._host = host
        self._seconds = seconds
        self.tally = Tally()
        self._errors: list[BaseException] = []
        self._is_over = threading.Event()

    def act(self, stack: ExitStack, actors: tuple[type[User], ...]) -> dict[str, int]:
        events: Any = Events
        environment: Any = Environment(user_classes=list(actors), events=events(), host=self._host)
        counting = _Strict(self, environment)
        stack.enter_context(_patched(counting))
        self._counting = counting
        event: Any = environment.events.request
        event.fire = counting.firing(event.fire)
        threads = [
            threading.Thread(target=self._act, args=(kind, environment, kind is actors[0]), daemon=True)
            for kind in dict.fromkeys(actors)
        ]
        for thread in threads:
            thread.start()
        if not self._is_over.wait(self._seconds):
            self.fail(TimeoutError(f"{actors[0].__name__} was not done in {self._seconds:g} seconds"))
        for thread in threads:
            thread.join(1.0)
        if self._errors:
            raise self._errors[0]
        return {name: self.tally.of(name, "completed") for name in self.tally.journeys()}

    def check(self) -> None:
        """Stop the actor whose thread this is, if another one's journey has failed."""
        if self._errors:
            raise _Stopped

    def fail(self, error: BaseException) -> None:
        self._errors.append(error)
        self._is_over.set()

    def _act(self, kind: type[User], environment: Any, is_first: bool) -> None:
        name = as_name(kind.__name__)[:40]
        observe_here(self._counting)
        try:
            with synthetic.simulated(run="once", kind="test", actor=f"{name.lower()}-0-1", scenario=name):
                user: Any = type(kind.__name__, (kind,), {"host": self._host})(environment)
                user.on_start()
                try:
                    _do_each(user, user.tasks)
                    while not is_first and not self._is_over.is_set():
                        gevent.sleep(_PAUSE)
                        _do_each(user, user.tasks)
                finally:
                    user.on_stop()
                    _close(user)
        except (StopUser, _Stopped):
            pass
        except BaseException as error:
            self.fail(error)
        finally:
            if is_first:
                self._is_over.set()


def _close(user: Any) -> None:
    """Close the connections of a user: in a run, they end with the process."""
    client = getattr(user, "client", None)
    for one in (client, getattr(client, "client", None)):
        close = getattr(one, "close", None)
        if close is not None:
            close()


def _do_each(holder: Any, tasks: Any) -> None:
    """Do each task of a user or task set once, in their order."""
    for task in dict.fromkeys(tasks):
        try:
            if isinstance(task, type) and issubclass(task, TaskSet):
                inner: Any = task(holder)
                inner.on_start()
                _do_each(inner, inner.tasks)
                inner.on_stop()
            else:
                task(holder)
        except _ENDS_OF_TASKS:
            pass


class _Strict(Counting):
    """Fails the test with the first journey that fails."""

    def __init__(self, test: _Once, environment: Any) -> None:
        super().__init__(lambda: environment.stats, test.tally, 1.0, self._on_answer)
        self._test = test

    def begins(self, journey: str) -> None:
        self._test.check()
        super().begins(journey)

    def ends(self, ended: Ended, seconds: float) -> None:
        super().ends(ended, seconds)
        if ended.outcome == "failed":
            self._fail(ended)

    def fails_alone(self, request: str, cause: Cause) -> None:
        self._fail(Ended(request, "failed", NO_STEP, str(cause)))

    def _fail(self, ended: Ended) -> NoReturn:
        """Fail the test, also if the actor's code catches every error."""
        error = JourneyFailed(ended)
        self._test.fail(error)
        raise error

    def _on_answer(self, answer: Answer, request: str) -> None:
        self._test.check()

    def on_unacknowledged(self, request: str) -> None:
        """Fail the test, if one of its actors has sent that."""
        if observer_here() is self:
            self._fail(Ended(request, "failed", NO_STEP, "was executed as real: its service knows no markers"))


@contextmanager
def _patched(counting: _Strict) -> Generator[None, None, None]:
    patches = (*naming(), *noticing(counting.on_unacknowledged))
    for patch in patches:
        patch.put_on()
    try:
        yield
    finally:
        for patch in patches:
            patch.take_off()
