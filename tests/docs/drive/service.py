"""A service that does all that the dashboard shows: it admits, sheds, refuses and guards.

python service.py PUBLIC_KEYS, with the ports in PORT and METRICS_PORT
"""

from __future__ import annotations

import os
import sys
from itertools import count
from typing import Any

import uvicorn
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import synthetic
import synthetic_starlette

metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
start_http_server(int(os.environ["METRICS_PORT"]), addr="127.0.0.1")

asked = count(1)
synthetic.configure(
    keys=sys.argv[1],
    environment="staging",
    policy={"notification": "refuse"},
    shed=lambda: next(asked) % 4 == 0,
)
synthetic.instrument()


@synthetic.guard("payment")
def charge() -> None:
    raise AssertionError("charged")


@synthetic.guard("notification")
def notify() -> None:
    raise AssertionError("notified")


async def book(request: Any) -> Any:
    charge()
    return PlainTextResponse("booked")


async def rate(request: Any) -> Any:
    notify()


app = Starlette(routes=[Route("/rides", book, methods=["POST"]), Route("/ratings", rate, methods=["POST"])])
synthetic_starlette.install(app)
uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", ws="none")
