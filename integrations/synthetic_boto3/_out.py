"""One call of a client, in the three steps of botocore that each decide on a part of its marker.

All three are below the methods that OpenTelemetry wraps: you can instrument both in any order. They are also below the
events of a client: parameters are final, and a call that a stub answers is not sent at all.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import wraps
from typing import Any, Final

import synthetic
from synthetic.integration import BAGGAGE, IsOn, Within, beside_message, depart, directly, go_on_after
from synthetic_boto3._headers import Parameters, asked_for, in_attributes, in_details, in_each, is_for_a_person
from synthetic_boto3._refusal import ExternalRequestRefused

__all__ = ["carrying", "in_request", "really", "sending"]

_AT_BROKER: Final = "synthetic_at_broker"
"""A note in the context that botocore keeps for the call, from one step to the next."""

_BROKER: Final = "sqs"
"""The service whose every operation takes part: messages are also received and deleted."""

_MESSAGES: Final[dict[tuple[str, str], Callable[[Parameters], Parameters]]] = {
    ("sqs", "SendMessage"): in_attributes,
    ("sqs", "SendMessageBatch"): in_each("Entries", in_attributes),
    ("sqs", "ReceiveMessage"): asked_for,
    ("sns", "Publish"): in_attributes,
    ("sns", "PublishBatch"): in_each("PublishBatchRequestEntries", in_attributes),
    ("events", "PutEvents"): in_details,
}


def carrying(original: Any, is_on: IsOn) -> Any:
    """Wrap ``BaseClient._emit_api_params``, which returns the parameters of a call: the marker goes into a message."""

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
        if not is_on() or _AT_BROKER not in request_context:
            return original(self, operation_model, request_dict, request_context)
        return _beside_message(request_dict["url"])(original, self, operation_model, request_dict, request_context)

    return _make_request


def _beside_message(url: str) -> Within:
    try:
        return beside_message(url)
    except Exception as error:
        return go_on_after(error, directly)


def sending(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Endpoint._send``, which makes each attempt, after redirects have chosen the host.

    The request is signed, and its headers are final. A call that brings no message is a call to the host of its URL.
    """

    @wraps(original)
    def _send(self: Any, request: Any) -> Any:
        return _decided(request)(original, self, request) if is_on() else original(self, request)

    return _send


def _decided(request: Any) -> Within:
    """Put the marker into a request, or take it out, or refuse the request; return how to send it."""
    try:
        headers: MutableMapping[str, Any] = request.headers
        present = headers.get(BAGGAGE)
        carried = present.decode("latin-1") if isinstance(present, bytes) else present
        header, within = depart(request.url, carried, refused=ExternalRequestRefused)
    except Exception as error:
        return go_on_after(error, directly)
    if header != carried:
        headers.pop(BAGGAGE, None)
        if header is not None:
            headers[BAGGAGE] = header
    return within


def really(original: Any, is_on: IsOn) -> Any:
    """Wrap a method that fetches credentials or access tokens.

    Any work may be the first to need them, and all work uses them. So that is real work: its calls neither carry a
    marker nor are refused.
    """

    @wraps(original)
    def fetch(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_on():
            return original(self, *args, **kwargs)
        with synthetic.real():
            return original(self, *args, **kwargs)

    return fetch
