"""``confluent_kafka.Producer`` replaced, also as the base of every class that is derived from it.

OpenTelemetry's instrumentation replaces the same name with a class of its own, and puts back the class that it found.
So while this is on, the module itself answers with our class in place of the original, and classes derived from the
original get ours as their base.
"""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

import confluent_kafka
from confluent_kafka.cimpl import Producer

from synthetic.integration import REAL, IsOn, Patch, Patches, enter, leave, noting_injections
from synthetic_confluent_kafka._explicit import Carrying
from synthetic_confluent_kafka._headers import departing
from synthetic_confluent_kafka._refusal import MarkerNotCarried

__all__ = ["Producers"]

_log = logging.getLogger("synthetic")
_module: ModuleType = confluent_kafka


class Instrumented(Carrying):
    """``confluent_kafka.Producer`` while this is on."""

    __slots__ = ()
    synthetic_is_on = False


Instrumented.__name__ = Instrumented.__qualname__ = "Producer"
Instrumented.__module__ = "confluent_kafka"


class _Module(ModuleType):
    """``confluent_kafka``, with our ``Producer`` in place of the original."""

    @property
    def Producer(self) -> Any:
        present = vars(self)["Producer"]
        return Instrumented if present is Producer else present

    @Producer.setter
    def Producer(self, value: Any) -> None:
        vars(self)["Producer"] = value


class Producers:
    """The ``Integration``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._derived: weakref.WeakSet[type] = weakref.WeakSet()
        self._asynchronous: Patches | None = None
        self._injections = noting_injections()

    def instrument(self) -> None:
        """Cover every producer, unless they are covered."""
        with self._lock:
            _module.__class__ = _Module
            for derived in Producer.__subclasses__():
                if derived is not Carrying and _has_changed_base(derived, Producer, Instrumented):
                    self._derived.add(derived)
            _warn_about_names()
            if self._asynchronous is None:
                self._asynchronous = _asynchronous()
            self._asynchronous.instrument()
            self._injections.put_on()
            Instrumented.synthetic_is_on = True

    def uninstrument(self) -> None:
        """Undo that, if they are covered."""
        with self._lock:
            Instrumented.synthetic_is_on = False
            self._injections.take_off()
            if self._asynchronous is not None:
                self._asynchronous.uninstrument()
            for derived in list(self._derived):
                _has_changed_base(derived, Instrumented, Producer)
            self._derived.clear()
            _module.__class__ = ModuleType
            if vars(confluent_kafka)["Producer"] is Instrumented:
                confluent_kafka.Producer = Producer  # type: ignore[misc]


def _warn_about_names() -> None:
    """Warn of names that were imported before: the producers that they make carry no marker, which is easy to miss."""
    modules = {id(module): module for module in list(sys.modules.values())}  # multiprocessing gives __main__ two names
    for module in modules.values():
        if str(getattr(module, "__name__", "")).startswith(("confluent_kafka", "synthetic")):
            continue
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is Producer:
                _log.warning(
                    "%s.%s was imported before instrument(), and the producers that it makes carry no marker: call "
                    "instrument() first, or write confluent_kafka.Producer(...)",
                    module.__name__,
                    name,
                )


def _has_changed_base(derived: type, present: type, wanted: type) -> bool:
    try:
        derived.__bases__ = tuple(wanted if base is present else base for base in derived.__bases__)
    except TypeError as error:
        _log.warning("%s.%s is not covered: %s", derived.__module__, derived.__qualname__, error)
        return False
    return True


def _asynchronous() -> Patches:
    """The patches on the experimental AIOProducer: it cannot send headers, so it sends nothing simulated."""
    try:
        from confluent_kafka.aio import AIOProducer
        from confluent_kafka.aio.producer._kafka_batch_executor import ProducerBatchExecutor
    except ImportError:
        return Patches()
    return Patches(Patch(AIOProducer, "produce", _real_only), Patch(ProducerBatchExecutor, "execute_batch", _real))


def _real_only(original: Callable[..., Any], is_on: IsOn) -> Callable[..., Any]:
    @wraps(original)
    async def produce(*args: Any, **kwargs: Any) -> Any:
        if is_on() and departing(None) is not None:
            raise MarkerNotCarried(
                "AIOProducer cannot send headers, so a message of simulated work would count as real. Use Producer "
                "or aiokafka for simulated work."
            )
        return await original(*args, **kwargs)

    return produce


def _real(original: Callable[..., Any], is_on: IsOn) -> Callable[..., Any]:
    @wraps(original)
    async def execute_batch(*args: Any, **kwargs: Any) -> Any:
        if not is_on():
            return await original(*args, **kwargs)
        # The work that fills the buffer sends the messages of all work, and they are real.
        entered = enter(REAL)
        try:
            return await original(*args, **kwargs)
        finally:
            leave(entered)

    return execute_batch
