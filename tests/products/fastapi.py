"""FastAPI: an application with one endpoint, and the reporting application with the endpoints of Starlette's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fastapi
from fastapi.responses import PlainTextResponse

from tests.products.starlette import ENDPOINTS, path_of


def application(path: str, endpoint: Callable[..., Any]) -> fastapi.FastAPI:
    """One with a single endpoint, which returns text. Its class is looked up here: OpenTelemetry replaces it."""
    app = fastapi.FastAPI()
    app.add_api_route(path, endpoint, response_class=PlainTextResponse)
    return app


def fastapi_application(**options: Any) -> fastapi.FastAPI:
    """The reporting application."""
    app = fastapi.FastAPI(**options)
    for endpoint in ENDPOINTS:
        app.add_api_route(path_of(endpoint), endpoint, methods=["GET", "POST"], response_model=None)
    return app


def instrumentor() -> Any:
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    return FastAPIInstrumentor()
