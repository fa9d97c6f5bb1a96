"""A producer that sends the marker: in the headers of a message, and as the verdict in force for its delivery report.

``confluent_kafka.Producer`` is written in C: only a subclass can override its methods.
"""

from __future__ import annotations

from typing import Any, ClassVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import Producer

from synthetic.integration import REAL, VERDICT, Carried, current_verdict
from synthetic_confluent_kafka._headers import departing

__all__ = ["Carrying", "SyntheticProducer"]

_get_verdict = VERDICT.get
_PARAMETERS = ("value", "key", "partition", "callback", "on_delivery", "timestamp", "headers")
_IN_A_BATCH = ("value", "key", "partition", "callback", "timestamp")


class Carrying(Producer):
    """The base of every covered producer. Without slots of its own, it can become the base of existing classes."""

    __slots__ = ()
    synthetic_is_on: ClassVar[bool] = True
    synthetic_report: ClassVar[Any] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        instance: dict[str, Any] | None = getattr(self, "__dict__", None)
        if instance is not None and self.synthetic_is_on:
            # A report for all messages is passed with each message instead, to get that message's verdict.
            config: dict[str, Any] = dict(*args[:1], **kwargs)
            report = config.pop("on_delivery", None)
            if report is not None:
                instance["synthetic_report"] = report
                args, kwargs = (config,), {}
        super().__init__(*args, **kwargs)

    def produce(self, topic: str, *args: Any, **kwargs: Any) -> None:
        """Produce a message, as ``Producer.produce`` does, with the marker if the current work is simulated.

        The report of its delivery runs under the verdict of the message, in whichever work ``poll`` is called. Raises
        UnverifiedMarker.
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
        """Produce a batch, as ``Producer.produce_batch`` does; for simulated work, one message at a time.

        A batch cannot have headers. Raises UnverifiedMarker.
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
        # Otherwise a report would run under the verdict of the work that polls: a real order's as simulated.
        name = "callback" if "callback" in kwargs else "on_delivery"  # as the producer takes them
        report = kwargs.get(name)
        if report is None:
            report = self.synthetic_report
        if report is not None:
            kwargs[name] = Carried(current_verdict(), report)


class SyntheticProducer(Carrying):
    """A ``confluent_kafka.Producer`` that sends the marker. Use it instead of instrumenting all producers."""


def _with_its_report(message: dict[str, Any]) -> dict[str, Any]:
    report = message.get("callback")
    return message if report is None else {**message, "callback": Carried(current_verdict(), report)}
