"""The marker in messages that are sent with boto3: SQS and SNS, and events of EventBridge.

``instrument()`` (or ``synthetic.instrument("boto3")``) covers every client of botocore, whenever it was made. A message
that was received is handled in ``admitted(message)``. Calls to any other service of AWS are calls to its host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, cast

from botocore.client import BaseClient  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
from opentelemetry.context import Context

from synthetic._arrival import Admitted, arrive
from synthetic._egress import at_broker, depart, in_context
from synthetic._instrument import Integration
from synthetic._marker import Marker
from synthetic._patch import Patch, Patches
from synthetic.errors import ExternalCallRefused
from synthetic_boto3._attributes import asked_for, baggage_of, in_attributes, in_detail

__all__ = ["ExternalCallToAwsRefused", "admitted", "instrument", "integration", "uninstrument"]

_Departing = Callable[[Mapping[str, Any]], tuple[Mapping[str, Any], "Context | None"]]


class ExternalCallToAwsRefused(ExternalCallRefused, BotoCoreError):  # type: ignore[misc]
    """Simulated work called a service of AWS that does not take part. Also a ``botocore.exceptions.BotoCoreError``."""

    def __init__(self, message: str, *, effect: str, marker: Marker | None, target: str) -> None:
        Exception.__init__(self, message)  # botocore makes its message from a template
        self.effect = effect
        self.marker = marker
        self.target = target
        self.kwargs: dict[str, Any] = {}


def admitted(message: Mapping[str, Any]) -> Admitted:
    """Admit one message that was received from SQS, for the length of a ``with`` block.

    Raises ``synthetic.MessageRefused`` where it must not be handled: don't delete it then, so that it becomes visible
    again and the queue's redrive policy moves it to the dead-letter queue.
    """
    return Admitted(arrive(baggage_of(message)))


_SENDS: Mapping[tuple[str, str], tuple[str | None, _Departing]] = {
    ("sqs", "SendMessage"): (None, in_attributes),
    ("sqs", "SendMessageBatch"): ("Entries", in_attributes),
    ("sns", "PublishBatch"): ("PublishBatchRequestEntries", in_attributes),
    ("events", "PutEvents"): ("Entries", in_detail),
}
"""What sends messages, by service and operation: the parameter that is a list of them, and how the marker gets in."""


def _carrying(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``BaseClient._make_api_call``, which every operation of every client is."""

    @wraps(original)
    def _make_api_call(client: BaseClient, operation_name: str, api_params: Mapping[str, Any]) -> Any:
        if not is_on():
            return original(client, operation_name, api_params)
        parameters, otel = _departing(client, operation_name, api_params)
        if otel is None:
            return original(client, operation_name, parameters)
        with in_context(otel):
            return original(client, operation_name, parameters)

    return _make_api_call


def _departing(
    client: BaseClient, operation: str, parameters: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Context | None]:
    service = cast("str", client.meta.service_model.service_name)
    sends = _SENDS.get((service, operation))
    if sends is None and (service, operation) == ("sns", "Publish") and not parameters.get("PhoneNumber"):
        sends = None, in_attributes  # to a telephone it is no message but a text for a person
    if sends is not None:
        parameters, otel = _messages(parameters, *sends)
        return parameters, at_broker(otel)
    if service == "sqs":
        return (asked_for(parameters) if operation == "ReceiveMessage" else parameters), at_broker()
    return parameters, depart(client.meta.endpoint_url, None, refused=ExternalCallToAwsRefused).otel


def _messages(
    parameters: Mapping[str, Any], several: str | None, departing: _Departing
) -> tuple[Mapping[str, Any], Context | None]:
    if several is None:
        return departing(parameters)
    present = cast("list[Mapping[str, Any]]", parameters.get(several) or [])
    messages = [departing(message) for message in present]
    if all(message is before for (message, _), before in zip(messages, present, strict=True)):
        return parameters, messages[0][1] if messages else None
    return {**parameters, several: [message for message, _ in messages]}, messages[0][1]


integration: Integration = Patches(Patch(BaseClient, "_make_api_call", _carrying))
"""The entry point ``boto3``."""


def instrument() -> None:
    """Send the marker along with every message of every client. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
