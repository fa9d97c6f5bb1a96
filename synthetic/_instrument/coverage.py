"""Which libraries carry the marker, how to enable that, and the newest version tested.

The oldest versions are the lower bounds of the extras in pyproject.toml, and only those. The newest versions are those
of constraints.txt; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["BY_HAND", "CARRIED_JOBS", "COVERED", "LOSING_LINES", "MODULES_BY_HAND", "Coverage"]


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
    "amplitude": Coverage("amplitude-analytics", _instrumented("amplitude"), "1.3.0"),
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
    "locust": Coverage(
        "locust", _instrumented("locust") + "; runs: synthetic-traffic run FILE --target NAME", "2.47.0"
    ),
    "mixpanel": Coverage("mixpanel", _instrumented("mixpanel"), "5.4.1"),
    "nats": Coverage("nats-py", _instrumented("nats"), "2.16.0"),
    "openfeature": Coverage("openfeature-sdk", _instrumented("openfeature"), "0.10.0"),
    "pika": Coverage("pika", _instrumented("pika"), "1.4.4"),
    "playwright": Coverage("playwright", _instrumented("playwright"), "1.65.2"),
    "posthog": Coverage("posthog", _instrumented("posthog"), "7.91.1"),
    "quart": Coverage(
        "quart", "synthetic.asgi.SyntheticTrafficMiddleware around the application", "0.23.1", "synthetic.asgi"
    ),
    "requests": Coverage("requests", _instrumented("requests"), "2.34.2"),
    "rq": Coverage("rq", _instrumented("rq"), "3.0.0"),
    "rudderstack": Coverage("rudder-sdk-python", _instrumented("rudderstack"), "2.1.9"),
    "segment": Coverage("segment-analytics-python", _instrumented("segment"), "2.4.0"),
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
_BODY = (
    "its messages have no headers: put synthetic.headers() into the body, and handle it in synthetic.admitted(headers)"
)
_TASK = "pass synthetic.headers() to each task as an argument, and do its work in synthetic.admitted(headers)"
_RUN = (
    "pass synthetic.headers() to each run as a parameter, and do the work of its steps in synthetic.admitted(headers)"
)
_REDIS = (
    "for streams, pub/sub and lists of jobs, put synthetic.headers() into each message, and handle it in "
    "synthetic.admitted(headers); other commands need nothing"
)
_FUTURES = "submit synthetic.carry(function) instead of the function"

CARRIED_JOBS: Final[Mapping[str, str]] = {
    "anyio": "the jobs of its threads and processes; for a memory stream of jobs, call synthetic.carry_queue(stream)",
    "billiard": "its processes, and the jobs of its pools",
    "joblib": "the jobs of Parallel",
    "loky": "the jobs of its executors",
    "multiprocess": "its processes, and the jobs of its pools",
    "pebble": "the jobs of its pools",
}
"""Libraries whose jobs the integration ``concurrency`` carries, by distribution, with what exactly it carries."""

LOSING_LINES: Final[Mapping[str, str]] = {
    "cheroot": "it keeps only the last of two baggage header lines, so a marker before foreign baggage is lost and the "
    "work is real; join the lines in the proxy in front of it, or use another server",
    "serverless-wsgi": "it keeps only the last of two baggage header lines, so a marker before foreign baggage is lost "
    "and the work is real; decorate the Lambda handler with synthetic_awslambda.admit, and remove the WSGI middleware",
}
"""Servers and adapters that drop a header line, by distribution, with what to do."""

MODULES_BY_HAND: Final[Mapping[str, str]] = {"django.tasks": _TASK}
"""Parts of a covered library that pass work on and are not covered, by module, with what to do instead."""

_UNCOVERED: Final[Mapping[str, str]] = {
    "aiobotocore": _QUEUE,
    "aiojobs": "spawn synthetic.carry(job)(...) instead of job(...), because a waiting job starts in another context",
    "aiomqtt": "send synthetic.headers() as user properties (MQTT 5) or in the payload, and handle each message in "
    "synthetic.admitted(headers)",
    "amqpstorm": 'publish with properties={"headers": synthetic.headers()}, and handle each message in '
    'synthetic.admitted(message.properties["headers"])',
    "apache-airflow": "pass synthetic.headers() in the conf of each DAG run, and do the work of its tasks in "
    "synthetic.admitted(dag_run.conf)",
    "apscheduler": "start the scheduler in an empty contextvars.Context(), and call "
    "scheduler.add_job(synthetic.carry(job))",
    "azure-eventhub": "put synthetic.headers() into the properties of each event, and handle it in "
    "synthetic.admitted(event.properties)",
    "azure-servicebus": "send synthetic.headers() as application_properties, and handle each message in "
    "synthetic.admitted(message.application_properties)",
    "azure-storage-queue": _BODY,
    "bottle": _WSGI,
    "celery-batches": "handle each request of a batch in synthetic.admitted(request.request_dict), because a batch has "
    "no verdict of its own",
    "channels": "put synthetic.headers() into each message of a channel layer, and handle it in "
    "synthetic.admitted(message)",
    "dagster": _RUN,
    "dask": "pass synthetic.carry(function) to dask.delayed and to Client.submit",
    "distributed": _FUTURES,
    "django-q2": _TASK,
    "django-tasks": _TASK,
    "falcon": f"{_WSGI}, or the one of synthetic.asgi for ASGI",
    "faststream": "also over a covered client: publish with headers=synthetic.headers(), and handle each message in "
    "synthetic.admitted(message.headers)",
    "faust-streaming": _QUEUE,
    "google-cloud-pubsub": "send synthetic.headers() as attributes, and handle each message in "
    "synthetic.admitted(message.attributes)",
    "google-cloud-tasks": _QUEUE,
    "grpclib": _CLIENT,
    "huey": _TASK,
    "kafka-python": _QUEUE,
    "kafka-python-ng": _QUEUE,
    "kombu": "Celery's tasks are covered; publish other messages with headers=synthetic.headers(), and handle them in "
    "synthetic.admitted(message.headers)",
    "niquests": _CLIENT,
    "paho-mqtt": "send synthetic.headers() as user properties (MQTT 5) or in the payload, and handle each message in "
    "synthetic.admitted(headers)",
    "pathos": _FUTURES,
    "prefect": _RUN,
    "procrastinate": _TASK,
    "pulsar-client": _QUEUE,
    "pycurl": _CLIENT,
    "pyramid": _WSGI,
    "python-socketio": "send synthetic.headers() with each event, and handle it in synthetic.admitted(headers): "
    "a connection has the verdict of the request that opened it",
    "pyzmq": _BODY,
    "ray": _TASK,
    "redis": _REDIS,
    "sanic": "no ASGI middleware: admit each request in synthetic.admitted(request.headers)",
    "saq": _TASK,
    "schedule": "schedule synthetic.carry(job), and call run_pending() in an empty contextvars.Context()",
    "stomp-py": _QUEUE,
    "taskiq": _TASK,
    "temporalio": "pass synthetic.headers() to the workflow and on to its activities, and do their work in "
    "synthetic.admitted(headers)",
    "tornado": _CLIENT,
    "treq": _CLIENT,
    "twisted": _CLIENT,
    "valkey": _REDIS,
}

BY_HAND: Final[Mapping[str, str]] = {
    **_UNCOVERED,
    **LOSING_LINES,
    **{name: f'synthetic.instrument("concurrency") carries {what}' for name, what in CARRIED_JOBS.items()},
}
"""Libraries that pass work on and have no integration of their own, by distribution, with what to do instead."""
