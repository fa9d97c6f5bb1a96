"""The marker in the headers of a message, and its verdict in the report of its delivery.

``confluent_kafka.Producer`` is written in C: what it does can be overridden in a subclass only.
"""

from __future__ import annotations

from typing import Any, ClassVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import Producer

from synthetic._carrier import outgoing, outgoing_pairs
from synthetic._carry import Carried
from synthetic._failure import go_on_after
from synthetic._log_broker import is_verbatim
from synthetic._verdict import REAL, VERDICT, current_verdict
from synthetic.errors import SyntheticTrafficError

__all__ = ["Carrying", "MarkerNotCarried", "SyntheticProducer", "departing"]

_get_verdict = VERDICT.get
_PARAMETERS = ("value", "key", "partition", "callback", "on_delivery", "timestamp", "headers")
_IN_A_BATCH = ("value", "key", "partition", "callback", "timestamp")


class MarkerNotCarried(SyntheticTrafficError, NotImplementedError):
    """Simulated work produced with a client that cannot send headers: its message would count as real."""


class Carrying(Producer):
    """What every covered producer does. Without slots of its own, it can be put below classes that exist already."""

    __slots__ = ()
    synthetic_is_on: ClassVar[bool] = True
    synthetic_report: ClassVar[Any] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        instance: dict[str, Any] | None = getattr(self, "__dict__", None)
        if instance is not None and self.synthetic_is_on:
            # A report on every message is given with each of them, to get that one's verdict.
            config: dict[str, Any] = dict(*args[:1], **kwargs)
            report = config.pop("on_delivery", None)
            if report is not None:
                instance["synthetic_report"] = report
                args, kwargs = (config,), {}
        super().__init__(*args, **kwargs)

    def produce(self, topic: str, *args: Any, **kwargs: Any) -> None:
        """Produce a message, as ``Producer.produce`` does, with the marker if the work at hand is simulated.

        A report of its delivery runs under the verdict of the message, whoever polls for it. Raises UnverifiedMarker.
        """
        if len(args) > 3:
            named = dict(zip(_PARAMETERS, args, strict=False))
            if len(named) == len(args) and named.keys().isdisjoint(kwargs):
                args, kwargs = (), {**named, **kwargs}
        if self.synthetic_is_on:
            headers = kwargs.get("headers")
            if headers is not None or _get_verdict() is not REAL:
                leaving = departing(headers)
                if leaving is not headers:
                    kwargs["headers"] = leaving
            if kwargs or self.synthetic_report is not None:
                self._carry_report(kwargs)
        super().produce(topic, *args, **kwargs)

    def produce_batch(self, topic: str, messages: list[dict[str, Any]], *args: Any, **kwargs: Any) -> int:
        """Produce a batch, as ``Producer.produce_batch`` does; the messages of simulated work one by one.

        For a batch cannot have headers. Raises UnverifiedMarker.
        """
        if not self.synthetic_is_on:
            return super().produce_batch(topic, messages, *args, **kwargs)
        kwargs.update(zip(("partition", "callback", "on_delivery"), args, strict=False))
        if departing(None) is not None:
            return sum(self._is_produced(topic, message, kwargs) for message in messages)
        self._carry_report(kwargs)
        carried = [_with_its_report(message) for message in messages]
        queued = super().produce_batch(topic, carried, **kwargs)
        for message, sent in zip(messages, carried, strict=True):
            if "_error" in sent:
                message["_error"] = sent["_error"]
        return queued

    def _is_produced(self, topic: str, message: dict[str, Any], defaults: dict[str, Any]) -> bool:
        try:
            own = {name: message[name] for name in _IN_A_BATCH if message.get(name) is not None}
            self.produce(topic, **{**defaults, **own})
        except BufferError:
            message["_error"] = KafkaError(KafkaError._QUEUE_FULL)
            return False
        except KafkaException as error:
            message["_error"] = error.args[0]
            return False
        return True

    def _carry_report(self, kwargs: dict[str, Any]) -> None:
        # Whoever polls would lend a report its own verdict: a simulated request that of a real order.
        name = "callback" if "callback" in kwargs else "on_delivery"  # as the producer takes them
        report = kwargs.get(name)
        if report is None:
            report = self.synthetic_report
        if report is not None:
            kwargs[name] = Carried(current_verdict(), report)


class SyntheticProducer(Carrying):
    """A ``confluent_kafka.Producer`` that sends the marker along; use it where ``instrument()`` is too much."""


def departing(headers: Any) -> Any:
    """Return the headers that a message leaves with; ``headers`` themselves where they stay as they are."""
    if is_verbatim():
        return headers
    try:
        leaving: Any = (outgoing if issubclass(type(headers), dict) else outgoing_pairs)(headers)[0]
    except Exception as error:  # be it that these are no headers at all, which the producer says in its own words
        return go_on_after(error, headers)
    return leaving


def _with_its_report(message: dict[str, Any]) -> dict[str, Any]:
    report = message.get("callback")
    return message if report is None else {**message, "callback": Carried(current_verdict(), report)}
