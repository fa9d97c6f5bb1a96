"""Which libraries carry the marker, how to enable that, and the newest version tested.

The oldest versions are the lower bounds of the extras in pyproject.toml, and only those. The newest versions are those
of constraints.txt; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["BY_HAND", "COVERED", "Coverage"]


class Coverage(NamedTuple):
    """One library: its distribution, how to enable its integration, and the newest version tested.

    ``module`` is the module that covers it if ``instrument`` does not apply.
    """

    distribution: str
    how: str
    newest: str
    module: str = ""


def _instrumented(name: str) -> str:
    return f'synthetic.instrument("{name}")'


COVERED: Final[Mapping[str, Coverage]] = {
    "aio-pika": Coverage("aio-pika", _instrumented("aio-pika"), "10.2.1"),
    "aiohttp": Coverage("aiohttp", _instrumented("aiohttp") + "; servers: synthetic_aiohttp.install(app)", "3.14.5"),
    "aiokafka": Coverage(
        "aiokafka", _instrumented("aiokafka") + "; consumers: SyntheticConsumer(consumer, on_refused=...)", "0.14.0"
    ),
    "arq": Coverage("arq", _instrumented("arq"), "0.28.0"),
    "boto3": Coverage("boto3", _instrumented("boto3"), "1.44.5"),
    "celery": Coverage("celery", _instrumented("celery"), "5.6.3"),
    "confluent-kafka": Coverage(
        "confluent-kafka",
        _instrumented("confluent-kafka") + "; consumers: SyntheticConsumer(consumer, on_refused=...)",
        "2.16.1",
    ),
    "django": Coverage(
        "django", "synthetic_django.SyntheticTrafficMiddleware, first in MIDDLEWARE", "6.1.3", "synthetic_django"
    ),
    "dramatiq": Coverage("dramatiq", _instrumented("dramatiq"), "2.2.1"),
    "eventlet": Coverage("eventlet", _instrumented("eventlet"), "0.41.3"),
    "fastapi": Coverage("fastapi", "synthetic_starlette.install(app)", "0.165.0", "synthetic_starlette"),
    "flask": Coverage("flask", "synthetic_flask.install(app)", "3.1.3", "synthetic_flask"),
    "gevent": Coverage("gevent", _instrumented("gevent"), "26.9.0"),
    "grpc": Coverage("grpcio", _instrumented("grpc"), "1.85.1"),
    "httpx": Coverage("httpx", _instrumented("httpx"), "0.28.1"),
    "httpx2": Coverage("httpx2", _instrumented("httpx2"), "2.16.2"),
    "litestar": Coverage(
        "litestar", "synthetic.asgi.SyntheticTrafficMiddleware around the application", "2.25.0", "synthetic.asgi"
    ),
    "nats": Coverage("nats-py", _instrumented("nats"), "2.16.0"),
    "pika": Coverage("pika", _instrumented("pika"), "1.4.4"),
    "quart": Coverage(
        "quart", "synthetic.asgi.SyntheticTrafficMiddleware around the application", "0.23.1", "synthetic.asgi"
    ),
    "requests": Coverage("requests", _instrumented("requests"), "2.34.2"),
    "rq": Coverage("rq", _instrumented("rq"), "3.0.0"),
    "sentry": Coverage("sentry-sdk", _instrumented("sentry"), "2.75.0"),
    "starlette": Coverage("starlette", "synthetic_starlette.install(app)", "1.10.0", "synthetic_starlette"),
    "structlog": Coverage(
        "structlog", "synthetic_structlog.add_synthetic, among its processors", "26.1.0", "synthetic_structlog"
    ),
    "urllib3": Coverage("urllib3", _instrumented("urllib3"), "2.8.0"),
}
"""The tested libraries that are not part of Python, by the name of their extra if they have one."""

_WSGI = "put synthetic.wsgi.SyntheticTrafficMiddleware around the application"
_CLIENT = "send synthetic.headers() with calls to services that take part, and guard calls to others"
_QUEUE = "send synthetic.headers() with each message, and handle it in synthetic.admitted(headers)"
_JOBS = "wrap each job in synthetic.carry(job), and schedule it from an empty contextvars.Context()"

BY_HAND: Final[Mapping[str, str]] = {
    "aiobotocore": _QUEUE,
    "apscheduler": _JOBS,
    "azure-servicebus": _QUEUE,
    "bottle": _WSGI,
    "dask": _JOBS,
    "falcon": f"{_WSGI}, or the one of synthetic.asgi for ASGI",
    "faust-streaming": _QUEUE,
    "google-cloud-pubsub": _QUEUE,
    "google-cloud-tasks": _QUEUE,
    "grpclib": _CLIENT,
    "huey": _QUEUE,
    "joblib": _JOBS,
    "kafka-python": _QUEUE,
    "kafka-python-ng": _QUEUE,
    "niquests": _CLIENT,
    "pulsar-client": _QUEUE,
    "pycurl": _CLIENT,
    "pyramid": _WSGI,
    "ray": _JOBS,
    "sanic": "no ASGI middleware: admit each request in synthetic.admitted(request.headers)",
    "stomp-py": _QUEUE,
    "taskiq": _QUEUE,
    "temporalio": _QUEUE,
    "tornado": _CLIENT,
    "treq": _CLIENT,
    "twisted": _CLIENT,
}
"""Libraries that pass work on and have no integration, by distribution, with what to do instead."""
