"""A server in a process of its own, with the metrics of OpenTelemetry's instrumentation; prints what they measured.

``python -m tests.support.metered FRAMEWORK always_on|always_off|none``: it makes a real and a simulated request.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http/dup"

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

import synthetic
import synthetic.asgi
import synthetic.telemetry
import synthetic.wsgi
from tests.support.servers import uvicorn_server, waitress_server
from tests.support.wire import get

READER = InMemoryMetricReader()
METERS = synthetic.telemetry.mark_metrics(MeterProvider([READER]))


async def asgi_application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


def wsgi_application(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "0")])
    return []


def asgi_outside() -> Any:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    ours = synthetic.asgi.SyntheticTrafficMiddleware(asgi_application)
    return uvicorn_server(OpenTelemetryMiddleware(ours, meter_provider=METERS), lifespan="off")


def asgi_inside() -> Any:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    theirs = OpenTelemetryMiddleware(asgi_application, meter_provider=METERS)
    return uvicorn_server(synthetic.asgi.SyntheticTrafficMiddleware(theirs), lifespan="off")


def wsgi_outside() -> Any:
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

    ours = synthetic.wsgi.SyntheticTrafficMiddleware(wsgi_application)
    return waitress_server(OpenTelemetryMiddleware(ours, meter_provider=METERS))


def wsgi_inside() -> Any:
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

    theirs = OpenTelemetryMiddleware(wsgi_application, meter_provider=METERS)
    return waitress_server(synthetic.wsgi.SyntheticTrafficMiddleware(theirs))


def fastapi() -> Any:
    from fastapi import FastAPI
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    import synthetic_starlette

    app = FastAPI()
    app.get("/")(lambda: "done")
    synthetic_starlette.install(app)
    FastAPIInstrumentor.instrument_app(app, meter_provider=METERS)
    return uvicorn_server(app)


def starlette() -> Any:
    from opentelemetry.instrumentation.starlette import StarletteInstrumentor
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    import synthetic_starlette

    app = Starlette(routes=[Route("/", lambda request: Response())])
    StarletteInstrumentor.instrument_app(app, meter_provider=METERS)
    synthetic_starlette.install(app)
    return uvicorn_server(app)


def flask_inside() -> Any:
    from flask import Flask
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    import synthetic_flask

    app = Flask("metered")
    app.get("/")(lambda: "done")
    FlaskInstrumentor().instrument_app(app, meter_provider=METERS)
    synthetic_flask.install(app)
    return waitress_server(app)


def flask_outside() -> Any:
    from flask import Flask
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    import synthetic_flask

    app = Flask("metered")
    app.get("/")(lambda: "done")
    synthetic_flask.install(app)
    FlaskInstrumentor().instrument_app(app, meter_provider=METERS)
    return waitress_server(app)


def _django(kind: str) -> Any:
    import django
    from django.conf import settings
    from opentelemetry.instrumentation.django import DjangoInstrumentor

    settings.configure(
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["synthetic_django.SyntheticTrafficMiddleware"],
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="a secret of tests",
    )
    DjangoInstrumentor().instrument(meter_provider=METERS)
    django.setup()
    from django.http import HttpResponse
    from django.urls import path

    globals()["urlpatterns"] = [path("", lambda request: HttpResponse())]
    if kind == "asgi":
        from django.core.asgi import get_asgi_application

        return uvicorn_server(get_asgi_application(), lifespan="off")
    from django.core.wsgi import get_wsgi_application

    return waitress_server(get_wsgi_application())


def django_wsgi() -> Any:
    return _django("wsgi")


def django_asgi() -> Any:
    return _django("asgi")


@contextmanager
def aiohttp() -> Iterator[int]:
    from aiohttp import web
    from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor

    import synthetic_aiohttp
    from tests.support.asyncio_thread import Loop

    metrics.set_meter_provider(METERS)  # this instrumentation takes no meter provider
    AioHttpServerInstrumentor().instrument()

    async def answer(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/", answer)
    app.middlewares.append(synthetic_aiohttp.middleware())
    runner = web.AppRunner(app)

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    loop = Loop()
    yield loop.run(start())
    loop.run(runner.cleanup())
    loop.close()


SERVERS: dict[str, Callable[[], Any]] = {
    server.__name__: server
    for server in (
        asgi_outside,
        asgi_inside,
        wsgi_outside,
        wsgi_inside,
        fastapi,
        starlette,
        flask_inside,
        flask_outside,
        django_wsgi,
        django_asgi,
        aiohttp,
    )
}


def main() -> None:
    name, sampler = sys.argv[1:3]
    if sampler != "none":
        trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_ON if sampler == "always_on" else ALWAYS_OFF))
        synthetic.telemetry.setup()
    synthetic.instrument("http-client")
    with synthetic.simulated(run="rush-hour"):
        marked = synthetic.headers()
    with SERVERS[name]() as port:
        assert get(port, "/", []).status == 200
        assert get(port, "/", list(marked.items())).status == 200
    print(json.dumps(sorted(_measured(), key=str)))


def _measured() -> Iterator[tuple[str, dict[str, str], int]]:
    data: Any = READER.get_metrics_data()
    for scope in data.resource_metrics[0].scope_metrics:
        for metric in scope.metrics:
            for point in metric.data.data_points:
                ours = {name: value for name, value in point.attributes.items() if "synthetic" in name}
                yield metric.name, ours, getattr(point, "count", None) or getattr(point, "value", 0)


if __name__ == "__main__":
    main()
