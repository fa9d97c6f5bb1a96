"""What Django code sees of the middleware, and what Django still does with it."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.test import Client, override_settings

import synthetic
import synthetic.wsgi
from tests.products.django import OURS, REPORTING, asgi_application, wsgi_application
from tests.products.django import rides as django_rides
from tests.products.django.rides import aget, called, charged, get, in_force, note, noted, opened, pages
from tests.support.keys import entry, mint
from tests.support.markers import forged, marked

Keys = dict[str, Any]


@pytest.fixture(autouse=True)
def django(keys: Keys) -> Iterator[None]:
    synthetic.configure(keys=keys)
    with in_force():
        yield


either = pytest.mark.parametrize("get", [get, aget], ids=["WSGI", "ASGI"])


# The marker and the verdict


@either
@pytest.mark.parametrize("path", ["/state", "/async-state"])
def test_a_view_has_the_marker_of_its_request(get: Any, path: str, keys: Keys) -> None:
    assert get(path).json() == {"run": None, "same": True}
    assert get(path, marked(keys, run="peak")).json() == {"run": "peak", "same": True}
    assert get(path).json() == {"run": None, "same": True}


@either
@pytest.mark.parametrize("simulated", [True, False])
def test_templates_and_commit_hooks_have_the_verdict(get: Any, keys: Keys, simulated: bool) -> None:
    headers = marked(keys, run="peak") if simulated else ()
    assert get("/rendered", headers).content.decode() == ("peak" if simulated else "None")
    get("/committing", headers)
    assert noted == [simulated, simulated]


@either
@pytest.mark.parametrize("simulated", [True, False])
def test_the_request_finished_signal_sees_the_verdict(get: Any, keys: Keys, simulated: bool) -> None:
    request_finished.connect(note)
    try:
        get("/state", marked(keys) if simulated else ())
    finally:
        request_finished.disconnect(note)
    assert noted == [simulated]


def test_the_request_started_signal_sees_a_verdict_only_where_the_application_is_wrapped(keys: Keys) -> None:
    request_started.connect(note)
    try:
        for app in (wsgi_application(OURS), synthetic.wsgi.SyntheticTrafficMiddleware(wsgi_application())):
            for headers in (marked(keys), []):
                called(app, "/page", headers)
    finally:
        request_started.disconnect(note)
    assert noted == [None, None, True, False]


# What is refused


@either
@pytest.mark.parametrize("path", ["/book", "/async-book", "/rendered?charge=1", "/grouped"])
def test_an_effect_that_is_refused_is_a_problem_that_names_it(get: Any, path: str, keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    response = get(path, marked(keys))
    assert (response.status_code, response["Content-Type"]) == (403, "application/problem+json")
    assert response["Cache-Control"] == "private, no-store"
    assert (response.json()["reason"], response.json()["effect"]) == ("effect-refused", "payment")
    assert charged == []


@either
def test_a_real_request_has_its_effects_whatever_the_policy_says(get: Any, keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    assert get("/book").content == b"booked"
    assert charged == ["charged"]


@either
def test_unverified_work_gets_a_problem_response_and_not_a_server_error(get: Any) -> None:
    response = get("/unverified")
    assert (response.status_code, response.json()["reason"]) == (403, "malformed")


@either
def test_an_error_of_the_application_is_not_changed(get: Any, keys: Keys) -> None:
    with override_settings(ROOT_URLCONF=REPORTING), pytest.raises(RuntimeError):
        get("/plain/fail", marked(keys))


def test_a_refused_effect_in_a_wrapped_application_is_a_403_in_a_view_and_in_a_stream(keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    app = synthetic.wsgi.SyntheticTrafficMiddleware(wsgi_application())
    statuses: list[str] = []
    for path in ("/book", "/charging-steps"):
        body = opened(app, path, marked(keys), statuses)
        list(body)
    assert statuses == ["403 Forbidden", "200 OK", "403 Forbidden"]


def test_the_log_line_of_django_has_a_verdict_only_where_the_application_is_wrapped(keys: Keys) -> None:
    with noting_log():
        for app in (wsgi_application(OURS), synthetic.wsgi.SyntheticTrafficMiddleware(wsgi_application())):
            called(app, "/nowhere", marked(keys))
    assert noted == [None, True]


@contextmanager
def noting_log() -> Iterator[None]:
    """Note the verdict where Django logs that it answers with an error."""
    logger = logging.getLogger("django.request")
    level = logger.level
    logger.addFilter(noting := lambda record: note() is None)
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeFilter(noting)


def test_a_refused_request_does_not_reach_inner_middleware(keys: Keys) -> None:
    with override_settings(MIDDLEWARE=[OURS, f"{django_rides.__name__}.noting_middleware"]):
        assert get("/state", forged(keys)).json()["reason"] == "bad-signature"
        assert noted == []
        get("/state")
        get("/state", marked(keys))
    assert noted == [False, True]


# Settings


@pytest.mark.parametrize("build", [wsgi_application, asgi_application])
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"edges": False}, "has 'edges'; it takes edge, on_unverified, on_missing"),
        ({"edge": "false"}, "edge in SYNTHETIC_TRAFFIC of Django's settings must be True or False, not 'false'"),
        ({"on_unverified": "ignore"}, "on_unverified"),
        ({"on_missing": "strip"}, "on_missing"),
    ],
)
def test_a_wrong_setting_stops_the_application_when_it_is_built(build: Any, options: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build(OURS, **options)


def test_settings_that_are_not_a_dict_stop_the_application() -> None:
    with override_settings(SYNTHETIC_TRAFFIC=["edge"]), pytest.raises(ValueError, match="must be a dict"):
        Client().get("/state")


def test_stripping_without_keys_stops_the_application() -> None:
    synthetic.configure()
    with pytest.raises(ValueError, match="on_unverified='strip' needs keys"):
        wsgi_application(OURS, on_unverified="strip")


def test_the_settings_are_optional(keys: Keys) -> None:
    with override_settings():
        from django.conf import settings

        del settings.SYNTHETIC_TRAFFIC
        assert get("/state", marked(keys, run="peak")).json()["run"] == "peak"


# What else Django does


@pytest.mark.parametrize("simulated", [True, False])
def test_a_pickled_response_holds_nothing_of_this_library(keys: Keys, simulated: bool) -> None:
    with override_settings(MIDDLEWARE=[f"{django_rides.__name__}.pickling_middleware", OURS, OURS]):
        response = get("/page", marked(keys) if simulated else ())
    (pickled,) = noted
    assert b"synthetic_" not in pickled
    again = pickle.loads(pickled)
    again.close()
    assert (again.content, again.closed) == (response.content, True)


def test_a_page_cache_before_our_middleware_keeps_no_simulated_page(keys: Keys) -> None:
    update, fetch = (f"django.middleware.cache.{name}CacheMiddleware" for name in ("Update", "FetchFrom"))
    with override_settings(MIDDLEWARE=[update, OURS, fetch]):
        client = Client()
        assert get("/page", marked(keys), client=client).content == b"simulated"
        assert get("/page", client=client).content == b"real"
        assert get("/page", client=client).content == b"real"
    assert pages == ["simulated", "real"]


def test_a_cached_view_that_varies_on_baggage_never_mixes_real_and_simulated(keys: Keys) -> None:
    token = mint(keys)
    for _ in range(2):
        assert get("/kept-apart", [("baggage", entry(token))]).content == b"simulated"
        assert get("/kept-apart").content == b"real"
    assert pages == ["simulated", "real"]


def test_a_response_that_requests_share_is_not_changed_by_a_simulated_one(keys: Keys) -> None:
    for _ in range(2):
        assert get("/shared")["Cache-Control"] == "public, max-age=3600"
        simulated = get("/shared", marked(keys))
        assert simulated["Cache-Control"] == "private, no-store"
        assert (simulated.content, simulated.cookies["seen"].value) == (b"User-agent: *", "yes")


def test_djangos_test_client_sends_no_marker_by_itself() -> None:
    client = Client()
    with synthetic.simulated(run="peak"):
        assert client.get("/state").json()["run"] is None
        assert client.get("/state", headers=synthetic.headers()).json()["run"] == "peak"
