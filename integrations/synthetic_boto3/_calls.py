"""One call of a client, in the three steps at which botocore can be told what leaves with it.

All of them are below what OpenTelemetry wraps, so that the order of switching on does not matter, and below the events
of a client: parameters are what handlers made of them, and what a stub answers is not sent at all.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import wraps
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry import baggage, context

from synthetic._carrier import NAME
from synthetic._config import active
from synthetic._egress import at_broker, depart, dispatch, in_context
from synthetic._failure import go_on_after
from synthetic._verdict import MIRROR, current_verdict
from synthetic_boto3._errors import ExternalRequestRefused
from synthetic_boto3._messages import Parameters, asked_for, in_attributes, in_details, in_each, is_for_a_person

__all__ = ["carrying", "in_request", "sending"]

_AT_BROKER: Final = "synthetic_at_broker"
"""Noted in the context that botocore keeps for the call, from one step to the next."""

_BROKER: Final = "sqs"
"""All of its operations are inside: without the others no message could be received, or be done with."""

_MESSAGES: Final[dict[tuple[str, str], Callable[[Parameters], Parameters]]] = {
    ("sqs", "SendMessage"): in_attributes,
    ("sqs", "SendMessageBatch"): in_each("Entries", in_attributes),
    ("sqs", "ReceiveMessage"): asked_for,
    ("sns", "Publish"): in_attributes,
    ("sns", "PublishBatch"): in_each("PublishBatchRequestEntries", in_attributes),
    ("events", "PutEvents"): in_details,
}

IsOn = Callable[[], bool]


def carrying(original: Any, is_on: IsOn) -> Any:
    """Wrap ``BaseClient._emit_api_params``, which gives the parameters of a call: those of a message get the marker."""

    @wraps(original)
    def _emit_api_params(self: Any, api_params: Any, operation_model: Any, context: Any) -> Any:
        parameters = original(self, api_params=api_params, operation_model=operation_model, context=context)
        if not is_on():
            return parameters
        service: str = operation_model.service_model.service_name
        departing = _MESSAGES.get((service, operation_model.name))
        if departing is None:
            if service == _BROKER:
                context[_AT_BROKER] = True
            return parameters
        if service == "sns" and is_for_a_person(parameters):
            return parameters
        context[_AT_BROKER] = True
        try:
            return departing(parameters)
        except Exception as error:
            return go_on_after(error, parameters)

    return _emit_api_params


def in_request(original: Any, is_on: IsOn) -> Any:
    """Wrap ``BaseClient._make_request``, which signs a request and sends it: one to a broker needs no marker."""

    @wraps(original)
    def _make_request(self: Any, operation_model: Any, request_dict: Any, request_context: Any) -> Any:
        otel = _beyond_message(request_dict["url"]) if is_on() and _AT_BROKER in request_context else None
        if otel is None:
            return original(self, operation_model, request_dict, request_context)
        with in_context(otel):
            return original(self, operation_model, request_dict, request_context)

    return _make_request


def sending(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Endpoint._send``, which makes each attempt, to the host that a redirect has named by then.

    The request is signed, and its headers are those that leave. Any other call is one to the host of its URL.
    """

    @wraps(original)
    def _send(self: Any, request: Any) -> Any:
        if not is_on():
            return original(self, request)
        otel = _decided(request)
        if otel is None:
            return original(self, request)
        with in_context(otel):
            return original(self, request)

    return _send


def _decided(request: Any) -> context.Context | None:
    """Put the marker into a request, or take it out, or refuse to send it; return the context to send it in."""
    try:
        headers: MutableMapping[str, Any] = request.headers
        present = headers.get(NAME)
        carried = present.decode("latin-1") if isinstance(present, bytes) else present
        header, otel = depart(request.url, carried, refused=ExternalRequestRefused)
    except Exception as error:
        return go_on_after(error, None)
    if header != carried:
        headers.pop(NAME, None)
        if header is not None:
            headers[NAME] = header
    return otel


def _beyond_message(url: str) -> context.Context | None:
    """The OpenTelemetry context for the request that brings a message: the marker is in that, and in no HTTP header."""
    header, otel = dispatch(None)
    if header is None:
        return otel
    present = context.set_value(MIRROR, current_verdict(), at_broker(urlsplit(url).hostname or ""))
    return baggage.remove_baggage(active().key, present)
