"""Django: its settings, of which a process has one set, and the applications that are built with them.

An application reads ``MIDDLEWARE`` and ``SYNTHETIC_TRAFFIC`` once, when it is built.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.test import override_settings

OURS = "synthetic_django.SyntheticTrafficMiddleware"


REPORTING = "tests.products.django.reporting"


def configure(urls: str = REPORTING, *middleware: str) -> None:
    """Make the settings, unless they are made already. ``urls`` is the module with ``urlpatterns``."""
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
            LOGGING_CONFIG=None,
            MIDDLEWARE=[*middleware],
            ROOT_URLCONF=urls,
            SECRET_KEY="of the tests",
            USE_TZ=True,
        )
        django.setup()
    logging.getLogger("django.request").setLevel(logging.CRITICAL)  # the applications fail on purpose


def wsgi_application(*middleware: str, **options: Any) -> Any:
    """The WSGI application with this ``MIDDLEWARE``, and ``options`` for ours."""
    with built_with(middleware, options):
        return get_wsgi_application()


def asgi_application(*middleware: str, **options: Any) -> Any:
    """The same for ASGI."""
    with built_with(middleware, options):
        return get_asgi_application()


@contextmanager
def built_with(middleware: tuple[str, ...], options: dict[str, Any]) -> Iterator[None]:
    common = "django.middleware.common.CommonMiddleware"  # it sets Content-Length, as connections are kept for
    with override_settings(MIDDLEWARE=[*middleware, common], SYNTHETIC_TRAFFIC=options):
        yield


def instrumentor() -> Any:
    from opentelemetry.instrumentation.django import DjangoInstrumentor

    return DjangoInstrumentor()
