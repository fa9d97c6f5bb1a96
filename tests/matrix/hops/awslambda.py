"""AWS Lambda: a function invoked with the events of each source. Lambda and the gateways do not run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import synthetic
from synthetic_awslambda import admit, each_record
from tests.matrix.cases import Case, Hop, seen
from tests.products import awslambda as events
from tests.products.awslambda import CONTEXT, contrib

_told: list[str] = []

_each = each_record(lambda record: _told.append(seen()))
_all = admit(envelopes=["eventbridge"])(lambda event, context: {"statusCode": 200, "body": _told.append(seen())})


def handler(event: Any, context: Any) -> Any:
    """The function; OpenTelemetry's instrumentation finds it by its name."""
    return _each(event, context) if "messageId" in str(event) else _all(event, context)


def _http(gateway: Callable[..., Any]) -> Callable[[Case, Any], str]:
    def pass_on(case: Case, _: Any) -> str:
        _told.clear()
        response = handler(json.loads(json.dumps(gateway(case.headers()))), CONTEXT)
        if response["statusCode"] == 403:
            assert not _told
            return "refused"
        (told,) = _told
        return told

    return pass_on


def _message(make: Callable[[str, str | None], Any]) -> Callable[[Case, Any], str]:
    def pass_on(case: Case, _: Any) -> str:
        _told.clear()
        try:
            handler(json.loads(json.dumps(make("ride", case.joined()))), CONTEXT)
        except synthetic.MessageRefused:
            assert not _told
            return "refused"
        (told,) = _told
        return told

    return pass_on


_CONTRIB = {"contrib": lambda: contrib(f"{__name__}.handler")}

_WAYS: dict[str, Callable[[Case, Any], str]] = {
    "API Gateway 1.0": _http(events.gateway_v1),
    "API Gateway 2.0": _http(events.gateway_v2),
    "ALB": _http(events.balancer),
    "function URL": _http(events.function_url),
    "record of SQS": _message(lambda body, baggage: events.sqs(events.sqs_record(body, baggage))),
    "record of SNS": _message(events.sns),
    "EventBridge": _message(events.bridge),
}

HOPS: list[Hop] = [Hop(f"AWS Lambda, {way}", "awslambda", _WAYS[way], _CONTRIB) for way in _WAYS]
