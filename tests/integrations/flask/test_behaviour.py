"""What Flask code sees of the middleware, and what Flask still does with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import flask
import pytest
from flask import Blueprint, Flask, Response, jsonify, stream_with_context
from opentelemetry import baggage as otel_baggage
from opentelemetry import context

import synthetic
import synthetic_flask
from synthetic.errors import ConfigurationError
from synthetic.integration import VERDICT, current_verdict
from tests.support.markers import forged, marked

Keys = dict[str, Any]

charged: list[str] = []
noted: list[Any] = []


@synthetic.guard("payment")
def charge() -> None:
    charged.append("charged")


def note(*_: object) -> None:
    noted.append(current_verdict() and synthetic.is_synthetic())


def rides() -> Flask:
    app = Flask("rides")
    app.secret_key = "of the tests"
    app.add_url_rule("/state", view_func=state)
    app.add_url_rule("/book", view_func=book, methods=["POST"])
    app.add_url_rule("/async-book", view_func=async_book, methods=["POST"])
    app.add_url_rule("/unverified", view_func=unverified)
    app.add_url_rule("/stream", view_func=stream)
    app.add_url_rule("/fail", view_func=fail)
    within = Blueprint("within", "rides", url_prefix="/within")
    within.add_url_rule("/state", view_func=state)
    within.add_url_rule("/book", view_func=book, methods=["POST"])
    within.before_request(note)
    app.register_blueprint(within)
    return app


def state() -> Response:
    flask.session["seen"] = True
    found = synthetic_flask.marker()
    return jsonify(run=found and found.run, same=found == synthetic.current())


def book() -> str:
    charge()
    return "booked"


async def async_book() -> str:
    charge()
    return "booked"


def unverified() -> str:
    token = VERDICT.set(None)
    attached = context.attach(otel_baggage.set_baggage("synthetic-traffic", "forged", context.Context()))
    try:
        synthetic.is_synthetic()
    finally:
        context.detach(attached)
        VERDICT.reset(token)
    return "known"


def stream() -> Response:
    @stream_with_context
    def steps() -> Iterator[str]:
        note()
        yield str(getattr(synthetic_flask.marker(), "run", None))
        note()

    return Response(steps())


def fail() -> str:
    raise ValueError("the application's own")


@pytest.fixture
def app(keys: Keys) -> Flask:
    synthetic.configure(keys=keys)
    charged.clear()
    noted.clear()
    app = rides()
    synthetic_flask.install(app)
    return app


@pytest.mark.parametrize("path", ["/state", "/within/state"])
def test_a_view_has_the_marker_of_its_request(app: Flask, path: str) -> None:
    client = app.test_client()
    assert client.get(path).json == {"run": None, "same": True}
    with synthetic.simulated(run="peak"):
        assert client.get(path).json == {"run": None, "same": True}  # a test client sends no marker by itself
        assert client.get(path, headers=synthetic.headers()).json == {"run": "peak", "same": True}
    assert client.get(path).json == {"run": None, "same": True}


def test_asking_for_the_marker_outside_of_a_request_raises_an_error(app: Flask) -> None:
    with pytest.raises(RuntimeError, match="outside of request context"):
        synthetic_flask.marker()
    with app.test_request_context("/state"):
        assert synthetic_flask.marker() is None


@pytest.mark.parametrize("simulated", [True, False])
def test_hooks_around_a_view_see_the_verdict(app: Flask, keys: Keys, simulated: bool) -> None:
    app.before_request_funcs.setdefault(None, []).insert(0, note)
    app.after_request(lambda response: note() or response)
    app.teardown_request(note)
    app.teardown_appcontext(note)
    app.test_client().get("/within/state", headers=marked(keys) if simulated else [])
    assert noted == [simulated] * 5


@pytest.mark.parametrize("path", ["/book", "/async-book", "/within/book"])
def test_an_effect_that_is_refused_is_a_problem_that_names_it(app: Flask, keys: Keys, path: str) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    response = app.test_client().post(path, headers=marked(keys))
    assert (response.status_code, response.content_type) == (403, "application/problem+json")
    assert response.headers.getlist("cache-control") == ["private, no-store"]
    assert response.headers.getlist("content-length") == [str(len(response.data))]
    document = response.get_json()
    assert (document["reason"], document["effect"]) == ("effect-refused", "payment")
    assert charged == []


def test_a_real_request_has_its_effects_whatever_the_policy_says(app: Flask, keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    assert app.test_client().post("/book").text == "booked"
    assert charged == ["charged"]


def test_unverified_work_gets_a_problem_response_and_not_a_server_error(app: Flask) -> None:
    response = app.test_client().get("/unverified")
    assert (response.status_code, response.get_json()["reason"]) == (403, "malformed")


@pytest.mark.parametrize("is_first", [True, False])
def test_an_error_handler_of_the_application_is_kept(keys: Keys, is_first: bool) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    app = rides()
    if not is_first:
        synthetic_flask.install(app)
    app.register_error_handler(synthetic.EffectRefused, lambda error: (f"no {error.effect}", 409))
    if is_first:
        synthetic_flask.install(app)
    response = app.test_client().post("/book", headers=marked(keys))
    assert (response.status_code, response.text) == (409, "no payment")


def test_a_refusal_is_answered_even_where_the_application_handles_every_error(app: Flask, keys: Keys) -> None:
    app.register_error_handler(Exception, lambda error: ("any error", 500))
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    assert app.test_client().post("/book", headers=marked(keys)).status_code == 403
    assert app.test_client().get("/fail").text == "any error"


def test_a_blueprints_handler_for_every_error_runs_before_ours(keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    app = rides()
    cautious = Blueprint("cautious", "rides", url_prefix="/cautious")
    cautious.add_url_rule("/book", view_func=book, methods=["POST"])
    cautious.register_error_handler(Exception, lambda error: ("any error", 409))
    app.register_blueprint(cautious)
    synthetic_flask.install(app)
    assert app.test_client().post("/cautious/book", headers=marked(keys)).text == "any error"
    assert app.test_client().post("/book", headers=marked(keys)).status_code == 403


def test_an_error_of_the_application_is_not_changed(app: Flask, keys: Keys) -> None:
    app.testing = True
    with pytest.raises(ValueError, match="the application's own"):
        app.test_client().get("/fail", headers=marked(keys))
    assert (current_verdict(), context.get_current()) == (None, {})


def test_a_refused_request_does_not_reach_the_application(app: Flask, keys: Keys) -> None:
    app.before_request(note)
    response = app.test_client().get("/state", headers=forged(keys))
    assert (response.status_code, response.get_json()["reason"]) == (403, "bad-signature")
    assert noted == []


@pytest.mark.parametrize("simulated", [True, False])
def test_a_stream_leaves_no_verdict_in_force_between_its_steps(app: Flask, keys: Keys, simulated: bool) -> None:
    response = app.test_client().get("/stream", headers=marked(keys, run="peak") if simulated else [])
    for step in response.response:
        assert step == (b"peak" if simulated else b"None")
        assert (current_verdict(), context.get_current()) == (None, {})
    response.close()
    assert noted == [simulated] * 2


def test_a_test_client_that_keeps_the_context_finds_the_request_and_its_marker(app: Flask, keys: Keys) -> None:
    with app.test_client() as client:
        client.get("/state", headers=marked(keys, run="peak"))
        assert flask.request.path == "/state"
        assert flask.session["seen"] is True
        assert getattr(synthetic_flask.marker(), "run", None) == "peak"
        assert current_verdict() is None
        client.get("/state")
        assert synthetic_flask.marker() is None


# Installing


def test_a_second_install_changes_nothing(app: Flask) -> None:
    wrapped = app.wsgi_app
    synthetic_flask.install(app)
    assert app.wsgi_app is wrapped


def test_a_second_install_with_other_settings_is_an_error(app: Flask) -> None:
    with pytest.raises(ConfigurationError, match="already installed on <Flask 'rides'>"):
        synthetic_flask.install(app, edge=False)


def test_a_wrong_setting_is_an_error_and_changes_nothing(keys: Keys) -> None:
    app = rides()
    before = app.wsgi_app
    with pytest.raises(ConfigurationError, match="on_missing"):
        synthetic_flask.install(app, on_missing="strip")  # type: ignore[arg-type, unused-ignore]
    assert (app.wsgi_app, app.error_handler_spec[None][None]) == (before, {})
    synthetic_flask.install(app)


def test_stripping_without_keys_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="on_unverified='strip' needs keys"):
        synthetic_flask.install(rides(), on_unverified="strip")


def test_an_object_that_is_not_a_flask_application_is_an_error() -> None:
    with pytest.raises(TypeError, match="is not a Flask application"):
        synthetic_flask.install(lambda environ, start_response: [])  # type: ignore[arg-type, unused-ignore]


def test_the_error_handler_raises_other_errors_again() -> None:
    error = ValueError("another")
    with pytest.raises(ValueError, match="another") as raised:
        synthetic_flask.refused(error)
    assert raised.value is error


@pytest.mark.parametrize("is_simulated", [False, True])
@pytest.mark.parametrize("is_installed", [False, True])
def test_the_test_client_keeps_the_context_of_a_streamed_response(
    keys: Keys, is_installed: bool, is_simulated: bool
) -> None:
    synthetic.configure(keys=keys)
    app = Flask("streams")
    seen: list[bool] = []

    @app.get("/")
    def index() -> Any:
        @stream_with_context
        def steps() -> Iterator[str]:
            for _ in range(2):
                seen.append(synthetic.is_synthetic())
                yield flask.request.path

        return Response(steps())

    if is_installed:
        synthetic_flask.install(app)
    headers = marked(keys) if is_simulated else []
    with app.test_client() as client:
        client.get("/", headers=headers)
        assert flask.request.path == "/"
        assert client.get("/", headers=headers).text == "//"
        assert flask.request.path == "/"
    assert set(seen) == {is_simulated and is_installed}
    assert VERDICT.get() is None
