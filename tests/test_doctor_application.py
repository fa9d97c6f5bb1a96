"""``synthetic-traffic doctor --app``: real applications in temporary folders."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import synthetic
from synthetic._cli.admitting import examine_application
from synthetic._cli.application import load
from synthetic._cli.findings import Finding
from synthetic._cli.guarded import examine_guards, examine_policy
from synthetic._config.in_force import active
from tests.support.switches import instrumented

COMMAND = Path(sys.executable).parent / "synthetic-traffic"

Examine = Callable[..., list[Finding]]


_numbers = itertools.count()


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any]) -> Iterator[Examine]:
    """Write a module, import its application, and return the findings on it. They call the module ``shop``."""
    monkeypatch.syspath_prepend(os.getcwd())
    module = f"shop_{next(_numbers)}"  # what frameworks have registered stays registered

    def examined(source: str, **settings: Any) -> list[Finding]:
        Path(f"{module}.py").write_text(dedent(source).replace("THIS", module))
        app = load(f"{module}:app")
        with synthetic.configured(keys=keys, **settings):
            guards = [finding for finding in examine_guards(active()) if finding.subject.startswith(module)]
            found = [*examine_application("shop:app", app), *guards, *examine_policy(active())]
        return [
            finding._replace(subject=finding.subject.replace(module, "shop"), text=finding.text.replace(module, "shop"))
            for finding in found
        ]

    yield examined
    sys.modules.pop(module, None)


def the(findings: list[Finding], subject: str) -> Finding:
    (found,) = [finding for finding in findings if finding.subject == subject]
    return found


def guards(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.subject) for finding in findings if finding.section == "guards"]


def doctor(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [COMMAND, "doctor", *options], capture_output=True, text=True, env={**os.environ, **variables}
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


# The whole command

GOOD = """
    import synthetic
    import synthetic_starlette
    from fastapi import FastAPI

    synthetic.instrument()
    synthetic.configure(policy={"payment": "substitute"})
    app = FastAPI()


    @app.post("/orders")
    @synthetic.guard("payment", instead=lambda: "simulated")
    async def order() -> str:
        return "charged"


    synthetic_starlette.install(app)
"""


def test_a_complete_application_has_nothing_to_fix(keys: dict[str, Any]) -> None:
    Path("shop.py").write_text(dedent(GOOD))
    done = doctor("--app", "shop:app", SYNTHETIC_KEYS=json.dumps(keys))
    assert done.returncode == 0, done.stdout
    assert "ok    instrument(): called for aio-pika," in done.stdout
    assert "ok    shop:app: FastAPI: the middleware is outermost" in done.stdout
    assert (
        "ok    shop:order (shop.py:11): 'payment': the policy for 'default' says substitute: calls instead"
        in done.stdout
    )
    assert "not checked" not in done.stdout


def test_options_override_what_the_application_configures(keys: dict[str, Any]) -> None:
    policies = '{"default": {"payment": "allow"}, "staging": {"payment": "refuse"}}'
    Path("shop.py").write_text(
        dedent(GOOD).replace('{"payment": "substitute"}', policies).replace("configure(", f"configure(keys={keys}, ")
    )
    found = json.loads(doctor("--app", "shop:app", "--environment", "staging", "--json").stdout)
    assert [one["text"] for one in found if one["section"] == "guards"] == [
        "'payment': the policy for 'staging' says refuse: raises EffectRefused"
    ]
    assert {"section": "settings", "level": "ok", "subject": "environment", "text": "'staging'"} in found


def test_an_application_with_faults_ends_with_exit_code_1(keys: dict[str, Any]) -> None:
    Path("shop").mkdir()
    Path("shop/main.py").write_text("from fastapi import FastAPI\n\n\ndef create():\n    return FastAPI()\n")
    done = doctor("--app", "shop.main:create()", SYNTHETIC_KEYS=json.dumps(keys))
    assert done.returncode == 1
    assert "fix   instrument(): was not called" in done.stdout
    assert "fix   shop.main:create(): FastAPI: it has no middleware" in done.stdout
    assert done.stdout.endswith("2 to fix\n")


@pytest.mark.parametrize(
    ("source", "name", "says"),
    [
        ("", "shop", "name the application as module:app"),
        ("", "stop:app", "there is no module 'stop' in "),
        ("application = 1", "shop:app", "the module 'shop' has no 'app'"),
        ("def create(): ...", "shop:creat()", "the module 'shop' has no 'creat'; did you mean 'create'?"),
        ("\nimport nowhere_to_be_found", "shop:app", "shop.py:2: ModuleNotFoundError: No module named"),
        ("\n\nraise SystemExit('no database')", "shop:app", "shop.py:3: SystemExit: no database"),
        ("def f(:\n", "shop:app", "shop.py:1: SyntaxError: "),
        ("\ndef create():\n    return 1 / 0", "shop:create()", "shop.py:3: ZeroDivisionError: division by zero"),
        (
            "import synthetic\nsynthetic.configure(lifetime='long')",
            "shop:app",
            "ConfigurationError: lifetime (from the argument lifetime=)",
        ),
    ],
)
def test_an_application_that_cannot_be_imported_is_an_error_that_names_the_line(
    monkeypatch: pytest.MonkeyPatch, source: str, name: str, says: str
) -> None:
    Path("shop.py").write_text(source)
    monkeypatch.syspath_prepend(os.getcwd())
    try:
        with pytest.raises(ValueError, match=f"--app {name.partition('(')[0]}") as caught:
            load(name)
    finally:
        sys.modules.pop("shop", None)
    assert says in str(caught.value)


def test_the_command_exits_with_2_if_it_cannot_import_the_application() -> None:
    Path("shop.py").write_text("\n1 / 0\n")
    done = doctor("--app", "shop:app")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == "synthetic-traffic: --app shop:app: cannot be imported: shop.py:2: "
        "ZeroDivisionError: division by zero\n"
    )


# The middleware

BARE_ASGI = "async def bare(scope, receive, send): ...\n"
BARE_WSGI = "def bare(environ, start_response): ...\n"
OURS_ASGI = "import synthetic.asgi\nours = synthetic.asgi.SyntheticTrafficMiddleware\n"
OURS_WSGI = "import synthetic.wsgi\nours = synthetic.wsgi.SyntheticTrafficMiddleware\n"
STARLETTE = "import synthetic_starlette\nfrom starlette.applications import Starlette\napp = Starlette()\n"
FLASK = "import synthetic_flask\nfrom flask import Flask\napp = Flask('shop')\n"
AIOHTTP = (
    "import synthetic_aiohttp\nfrom aiohttp import web\n@web.middleware\n"
    "async def other(request, handler): ...\napp = web.Application(middlewares=[other])\n"
)
LAMBDA = "import synthetic_awslambda\ndef handler(event, context): ...\n"
OTEL_ASGI = "from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware\n"
OTEL_FLASK = (
    "from opentelemetry.instrumentation.flask import FlaskInstrumentor\nFlaskInstrumentor().instrument_app(app)\n"
)


@pytest.mark.parametrize(
    ("source", "level", "says"),
    [
        (BARE_ASGI + "app = bare", "fix", "put synthetic.asgi.SyntheticTrafficMiddleware or synthetic.wsgi"),
        (BARE_ASGI + OURS_ASGI + "app = ours(bare)", "ok", "the middleware is outermost"),
        (BARE_WSGI + "app = bare", "fix", "it has no middleware, so a simulated request is executed as real"),
        (BARE_WSGI + OURS_WSGI + "app = ours(bare)", "ok", "the middleware is outermost"),
        (STARLETTE, "fix", "call synthetic_starlette.install(app) after the last add_middleware"),
        (STARLETTE + "synthetic_starlette.install(app)", "ok", "Starlette: the middleware is outermost"),
        (STARLETTE + OURS_ASGI + "app = ours(app)", "ok", "the middleware is outermost"),
        (
            STARLETTE + "synthetic_starlette.install(app)\n"
            "from starlette.middleware.cors import CORSMiddleware\napp.add_middleware(CORSMiddleware)",
            "note",
            "what starlette.middleware.cors.CORSMiddleware does for a simulated request is real",
        ),
        (
            STARLETTE + "synthetic_starlette.install(app)\n"
            "from starlette.middleware.cors import CORSMiddleware\napp = CORSMiddleware(app)",
            "note",
            "what starlette.middleware.cors.CORSMiddleware does",
        ),
        (
            STARLETTE + OTEL_ASGI + "synthetic_starlette.install(app)\napp = OpenTelemetryMiddleware(app)",
            "ok",
            "Starlette: the middleware is outermost",
        ),
        (FLASK, "fix", "call synthetic_flask.install(app)"),
        (FLASK + "synthetic_flask.install(app)", "ok", "Flask: the middleware is outermost"),
        (FLASK + "synthetic_flask.install(app)\n" + OTEL_FLASK, "ok", "Flask: the middleware is outermost"),
        (
            FLASK + "synthetic_flask.install(app)\n"
            "from werkzeug.middleware.proxy_fix import ProxyFix\napp.wsgi_app = ProxyFix(app.wsgi_app)",
            "note",
            "what werkzeug.middleware.proxy_fix.ProxyFix does",
        ),
        (AIOHTTP, "fix", "call synthetic_aiohttp.install(app)"),
        (AIOHTTP + "synthetic_aiohttp.install(app)", "ok", "aiohttp: the middleware is outermost"),
        (
            AIOHTTP + "app.middlewares.append(synthetic_aiohttp.middleware())",
            "note",
            "aiohttp: what shop.other does",
        ),
        (
            "from quart import Quart\napp = Quart('shop')",
            "fix",
            "Quart: it has no middleware, so a simulated request is executed as real; put synthetic.asgi",
        ),
        (OURS_ASGI + "from quart import Quart\napp = Quart('shop')\napp.asgi_app = ours(app.asgi_app)", "ok", "Quart"),
        ("from litestar import Litestar\napp = Litestar([])", "fix", "Litestar: it has no middleware"),
        (OURS_ASGI + "from litestar import Litestar\napp = ours(Litestar([]))", "ok", "Litestar: the middleware is"),
        (OURS_ASGI + "from litestar import Litestar\napp = Litestar([], middleware=[ours])", "ok", "Litestar"),
        (LAMBDA + "app = synthetic_awslambda.admit(handler)", "ok", "the middleware is outermost"),
        ("app = object()", "note", "builtins.object is not an application that the doctor knows"),
    ],
)  # fmt: skip
def test_the_middleware_is_there_and_outermost(examine: Examine, source: str, level: str, says: str) -> None:
    finding = the(examine(source), "shop:app")
    assert (finding.section, finding.level) == ("application", level)
    assert says in finding.text


@pytest.mark.parametrize(
    ("integration", "source", "says"),
    [
        ("celery", "import celery\napp = celery.Celery('shop')", "Celery application"),
        ("dramatiq", "from dramatiq.brokers.stub import StubBroker\napp = StubBroker()", "Dramatiq broker"),
        ("arq", "import arq\nclass app:\n    functions = []", "arq worker"),
        ("rq", "import redis, rq\napp = rq.Queue(connection=redis.Redis())", "RQ queue"),
        ("grpc", "import grpc\nfrom concurrent.futures import ThreadPoolExecutor as Pool\napp = grpc.server(Pool(1))",
         "gRPC server"),
    ],
)  # fmt: skip
def test_a_server_or_worker_needs_no_middleware_but_its_integration(
    examine: Examine, integration: str, source: str, says: str
) -> None:
    finding = the(examine(source), "shop:app")
    assert finding[1:] == (
        "fix",
        "shop:app",
        f'{says}: not covered; call synthetic.instrument() or synthetic.instrument("{integration}")',
    )


def test_an_instrumented_worker_is_covered(examine: Examine) -> None:
    with instrumented("celery"):
        found = examine("import celery\napp = celery.Celery('shop')")
    assert the(found, "shop:app")[1:] == (
        "ok",
        "shop:app",
        "Celery application: instrument() covers it, and it needs no middleware",
    )


def test_what_the_application_prints_does_not_reach_the_report(keys: dict[str, Any]) -> None:
    Path("shop.py").write_text("print('starting')\napp = None\n")
    done = doctor("--app", "shop:app", "--json", SYNTHETIC_KEYS=json.dumps(keys))
    assert json.loads(done.stdout)
    assert done.stderr == "starting\n"


# Guards and the policy


def test_each_guard_is_listed_with_what_the_policy_does_with_it(examine: Examine) -> None:
    found = examine(
        """
        import contextlib
        import synthetic

        app = object()

        @synthetic.guard("open")
        def opened(): ...

        @synthetic.guard("shut", returns=0)
        async def shut(): ...

        class Payments:
            @synthetic.guard("never")
            def never(self): ...

            @staticmethod
            @synthetic.guard("unnamed", instead=print)
            def unnamed(): ...

        @synthetic.guard("substitute", returns=0)
        @contextlib.contextmanager
        def substituted(): ...

        @synthetic.guard("divert", instead=print)
        def diverted(): ...

        gone = synthetic.guard("gone")(lambda: None)
        del gone
        """,
        policy={"open": "allow", "shut": "skip", "never": "refuse", "substitute": "substitute", "divert": "divert"},
    )
    assert [finding[1:] for finding in found if finding.section == "guards"] == [
        (
            "ok",
            "shop:Payments.never (shop.py:14)",
            "'never': the policy for 'default' says refuse: raises EffectRefused",
        ),
        (
            "ok",
            "shop:Payments.unnamed (shop.py:17)",
            "'unnamed': the policy for 'default' does not name it: calls instead",
        ),
        (
            "fix",
            "shop:diverted (shop.py:25)",
            "'divert': the policy for 'default' says divert, but no diversion is ready, so each call raises "
            "EffectRefused",
        ),
        ("ok", "shop:opened (shop.py:7)", "'open': the policy for 'default' says allow: calls the real one"),
        ("ok", "shop:shut (shop.py:10)", "'shut': the policy for 'default' says skip: returns what returns= gives"),
        (
            "fix",
            "shop:substituted (shop.py:21)",
            "'substitute': the policy for 'default' says substitute, but the guard has returns=, which is not a "
            "substitute, so each call raises EffectRefused; add instead=",
        ),
    ]


def test_guards_on_targets_are_listed_until_they_are_undone(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    here = synthetic.guard_target("wave:open", "wave")
    later = synthetic.guard_target("this:d", "this")
    subjects = {finding.text.split("'")[1]: finding.subject for finding in examine_guards(active())}
    assert subjects["this"] == "this:d (not imported yet)"
    if "wave" in sys.modules:
        assert subjects["wave"].startswith("wave:open (")
    here.undo()
    later.undo()
    assert not {"wave", "this"} & {finding.text.split("'")[1] for finding in examine_guards(active())}


def test_a_line_of_the_policy_that_no_guard_has_is_reported(examine: Examine) -> None:
    found = examine(
        """
        import synthetic

        app = object()

        @synthetic.guard("shop-payment")
        def charge(): ...

        def receipt():
            return synthetic.allows("shop-receipt")
        """,
        policy={"shop-paymnet": "allow", "shop-receipt": "skip", "external-call": "refuse", "zzz": "skip"},
    )
    assert {finding.subject: finding.level for finding in found if finding.section == "policy"} == {
        "shop-paymnet": "fix",
        "zzz": "note",
    }
    assert "did you mean 'shop-payment', which the policy does not name?" in the(found, "shop-paymnet").text


# Guards above the decorator that registers the function

ROUTES = {
    "fastapi": "from fastapi import FastAPI\napp = FastAPI()\nregister = app.get('/')",
    "fastapi websocket": "from fastapi import FastAPI\napp = FastAPI()\nregister = app.websocket('/')",
    "flask": "from flask import Flask\napp = Flask('shop')\nregister = app.route('/')",
    "flask before_request": "from flask import Flask\napp = Flask('shop')\nregister = app.before_request",
    "quart": "from quart import Quart\napp = Quart('shop')\nregister = app.route('/')",
    "celery": "from celery import Celery\napp = Celery('shop')\nregister = app.task",
    "celery bound": "from celery import Celery\napp = Celery('shop')\nregister = app.task(bind=True)",
    "dramatiq": "import dramatiq\nfrom dramatiq.brokers.stub import StubBroker\napp = StubBroker()\n"
    "def register(function): return dramatiq.actor(function, broker=app)",
    "click": "import click\napp = click.Group()\nregister = app.command()",
    "click alone": "import click\napp = object()\nregister = click.command()",
    "django signal": "from django.dispatch import Signal, receiver\n"
    "app = signal = Signal()\nregister = receiver(signal)",
}


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_guard_above_the_decorator_that_registers_a_function_must_be_fixed(
    examine: Examine, name: str, is_async: bool
) -> None:
    found = examine(
        f"""{ROUTES[name]}
import synthetic

@synthetic.guard("shop-payment")
@register
{"async " if is_async else ""}def charge(*args): ...
"""
    )
    (finding,) = [finding for finding in found if finding.section == "guards"]
    assert (finding.level, finding.subject.split()[0]) == ("fix", "shop:charge"), finding
    assert finding.subject.startswith("shop:charge (shop.py:"), finding
    assert finding.text.endswith("put @guard below that decorator")


@pytest.mark.parametrize("name", ROUTES)
def test_a_guard_below_the_decorator_is_no_fault(examine: Examine, name: str) -> None:
    found = examine(
        f"""{ROUTES[name]}
import synthetic

@register
@synthetic.guard("shop-payment")
def charge(*args): ...
"""
    )
    assert [level for level, _ in guards(found)] == ["ok"]


def test_a_guard_above_an_aiohttp_route_must_be_fixed(examine: Examine) -> None:
    found = examine(
        """
        import synthetic
        from aiohttp import web

        routes = web.RouteTableDef()

        @synthetic.guard("shop-payment")
        @routes.get("/above")
        async def above(request): ...

        @routes.get("/below")
        @synthetic.guard("shop-payment")
        async def below(request): ...

        app = web.Application()
        app.add_routes(routes)
        """
    )
    assert guards(found) == [("fix", "shop:above (shop.py:7)"), ("ok", "shop:below (shop.py:11)")]


def test_an_rq_job_is_found_by_its_name_and_so_by_its_guard(examine: Examine) -> None:
    found = examine(
        """
        import redis
        import synthetic
        from rq.decorators import job

        app = object()

        @synthetic.guard("shop-payment")
        @job("default", connection=redis.Redis())
        def charge(): ...
        """
    )
    assert guards(found) == [("ok", "shop:charge (shop.py:8)")]


def test_a_function_that_is_registered_before_guard_target_must_be_fixed(examine: Examine) -> None:
    found = examine(
        """
        import synthetic
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/")
        def charge(): ...

        guarded = synthetic.guard_target("THIS:charge", "shop-payment")
        """
    )
    next(module for name, module in sys.modules.items() if name.startswith("shop_")).guarded.undo()
    (finding,) = [finding for finding in found if finding.section == "guards"]
    assert finding.level == "fix"
    assert finding.text == (
        "'shop-payment': the route / calls the function without its guard; call guard_target before the module that "
        "registers it is imported"
    )


# Django, with its settings for the whole process

DJANGO = """
import os, sys
import django
import synthetic
from django.conf import settings
from django.core.handlers.{kind} import {handler}
from django.dispatch import Signal, receiver

synthetic.instrument()
settings.configure(
    ROOT_URLCONF="shop",
    MIDDLEWARE={middleware},
    ALLOWED_HOSTS=["*"],
)
django.setup()
from django.http import HttpResponse
from django.urls import include, path

paid = Signal()


@synthetic.guard("shop-payment")
@receiver(paid)
def charge(**facts): ...


@receiver(paid)
@synthetic.guard("shop-payment")
def below(**facts): ...


@synthetic.guard("shop-payment")
def view(request):
    return HttpResponse("charged")


urlpatterns = [path("a/", view), path("b/", include([path("c/", view.__wrapped__)]))]
app = {handler}()
"""
FIRST = "synthetic_django.SyntheticTrafficMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"


@pytest.mark.parametrize(
    ("kind", "middleware", "level", "says"),
    [
        ("wsgi", [FIRST, COMMON], "ok", "Django: the middleware is outermost"),
        ("asgi", [COMMON, FIRST], "note", f"what {COMMON} does for a simulated request is real"),
        ("wsgi", [COMMON], "fix", "put synthetic_django.SyntheticTrafficMiddleware first in MIDDLEWARE"),
    ],
)
def test_a_django_application_is_examined(
    keys: dict[str, Any], kind: str, middleware: list[str], level: str, says: str
) -> None:
    handler = f"{kind.upper()}Handler"
    Path("shop.py").write_text(DJANGO.format(kind=kind, handler=handler, middleware=middleware))
    done = doctor("--app", "shop:app", "--json", SYNTHETIC_KEYS=json.dumps(keys))
    assert done.returncode == 1, done.stderr
    found = [Finding(**finding) for finding in json.loads(done.stdout)]
    assert the(found, "shop:app").level == level
    assert says in the(found, "shop:app").text
    assert [finding[1:3] for finding in found if finding.section == "guards"] == [
        ("ok", "shop:below (shop.py:27)"),
        ("fix", "shop:charge (shop.py:22)"),
        ("fix", "shop:view (shop.py:32)"),
    ]
    assert "a signal calls the function without its guard" in the(found, "shop:charge (shop.py:22)").text
    assert "the URL c/ calls the function without its guard" in the(found, "shop:view (shop.py:32)").text
