"""The calls of an ``APIRequestContext``, which Playwright makes itself: every rule for clients, sync and async."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from playwright import async_api, sync_api

import synthetic
from tests.contract.client import ClientContract
from tests.integrations.playwright.site import LOCAL, Site
from tests.products import playwright as product
from tests.support.asyncio_thread import Loop
from tests.support.clients import Connect, has_no_marker, token_of
from tests.support.recording_server import Answer, Recorded, RecordingServer


class CallsContract(ClientContract):
    library_error = sync_api.Error
    our_part = "synthetic_playwright._calls.depart"

    @pytest.fixture(autouse=True)
    def _instrumented(self, instrumented: None) -> None:
        pass

    @pytest.fixture
    def opentelemetry(self) -> None:
        pytest.skip("OpenTelemetry does not instrument Playwright")


class TestCalls(CallsContract):
    @pytest.fixture
    def connect(self, playwright: sync_api.Playwright) -> Iterator[Connect]:
        made: list[sync_api.APIRequestContext] = []

        def connect(headers: Mapping[str, Any] | None = None) -> product.Client:
            made.append(playwright.request.new_context(extra_http_headers=product.text(headers)))
            return product.Client(made[-1])

        yield connect
        for requests in made:
            requests.dispose()

    @pytest.mark.skip("an object of the sync API belongs to one thread")
    def test_a_received_token_is_forwarded_unchanged_even_after_it_expires(self) -> None: ...  # type: ignore[override]

    @pytest.mark.skip("an object of the sync API belongs to one thread")
    def test_threads_with_a_copied_context_send_the_marker(self) -> None: ...  # type: ignore[override]


@pytest.fixture(scope="module")
def started(loop: Loop) -> Iterator[async_api.Playwright]:
    manager = async_api.async_playwright()
    yield loop.run(manager.start())
    loop.run(manager.__aexit__())


class TestAsyncCalls(CallsContract):
    @pytest.fixture
    def connect(self, started: async_api.Playwright, loop: Loop) -> Iterator[Connect]:
        made: list[async_api.APIRequestContext] = []

        def connect(headers: Mapping[str, Any] | None = None) -> product.AsyncClient:
            made.append(loop.run(started.request.new_context(extra_http_headers=product.text(headers))))
            return product.AsyncClient(made[-1], loop)

        yield connect
        for requests in made:
            loop.run(requests.dispose())


@pytest.fixture
def requests(
    playwright: sync_api.Playwright, takes_part: None, instrumented: None, site: Site
) -> Iterator[sync_api.APIRequestContext]:
    requests = playwright.request.new_context(base_url=site.local())
    with synthetic.simulated(run="rush-hour"):
        yield requests
    requests.dispose()


def test_an_url_without_a_host_goes_to_the_base_url(requests: sync_api.APIRequestContext, site: Site) -> None:
    requests.get("/rides")
    assert site.sent() == [(LOCAL, "/rides", True)]


@pytest.mark.parametrize("method", ["delete", "fetch", "get", "head", "patch", "post", "put"])
def test_every_method_carries_the_marker(requests: sync_api.APIRequestContext, site: Site, method: str) -> None:
    site.redirect("/", site.local("/next"), 307)
    assert getattr(requests, method)(site.local()).status == 200
    paths = [] if method == "head" else [(LOCAL, "/", True), (LOCAL, "/next", True)]
    assert site.sent() == paths


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "POST", "GET", b""),
        (302, "POST", "GET", b""),
        (303, "PUT", "GET", b""),
        (302, "PUT", "PUT", b"a=1"),
        (307, "POST", "POST", b"a=1"),
        (308, "POST", "POST", b"a=1"),
    ],
)
def test_a_redirect_is_followed_as_playwright_follows_it(
    playwright: sync_api.Playwright,
    requests: sync_api.APIRequestContext,
    site: Site,
    status: int,
    method: str,
    then: str,
    body: bytes,
) -> None:
    site.redirect("/?q=1", site.local("/next"), status)
    bare = playwright.request.new_context()
    with synthetic.real():
        site.is_real = True
        bare.fetch(site.local(), method=method, params={"q": 1}, form={"a": 1})
    requests.fetch(site.local(), method=method, params={"q": 1}, form={"a": 1})
    bare.dispose()
    real, simulated = site.requests[1], site.requests[3]
    assert (simulated.path, simulated.method, simulated.body) == ("/next", then, body)
    assert _names(simulated) == _names(real) | {"baggage"}


def _names(request: Recorded) -> set[str]:
    return {name.lower() for name, _ in request.headers}


def test_the_limit_of_redirects_holds(requests: sync_api.APIRequestContext, site: Site) -> None:
    site.redirect("/", site.local("/again"))
    site.redirect("/again", site.local("/"))
    assert requests.get("/", max_redirects=0).status == 302
    with pytest.raises(sync_api.Error, match="Max redirect count exceeded"):
        requests.get("/", max_redirects=3)
    assert len(site.requests) == 1 + 4


def test_a_redirect_to_another_host_takes_no_credentials_along(
    playwright: sync_api.Playwright, vendors_allowed: None, instrumented: None, site: Site
) -> None:
    site.redirect("/", site.local_vendor("/away"))
    requests = playwright.request.new_context(extra_http_headers={"Authorization": "Bearer secret"})
    with synthetic.simulated(run="rush-hour"):
        requests.get(site.local(), headers={"Cookie": "session=1"})
    requests.dispose()
    first, second = site.requests
    assert (first.values("Authorization"), first.values("Cookie")) == (["Bearer secret"], ["session=1"])
    assert "secret" not in str(second.headers)
    assert "session" not in str(second.headers)
    assert has_no_marker(second)


def test_a_request_of_a_page_can_be_made_again(page: sync_api.Page, site: Site) -> None:
    site.answers["/"] = Answer(200, (("Content-Type", "text/html"),))
    response = page.goto(site.local())
    assert response is not None
    page.request.fetch(response.request)
    assert len({token_of(request) for request in site.requests if request.path == "/"}) == 1


def test_real_calls_stay_as_they_are_after_uninstrument(
    playwright: sync_api.Playwright, takes_part: None, server: RecordingServer
) -> None:
    before = product.patched()
    synthetic.instrument("playwright")
    synthetic.uninstrument("playwright")
    assert product.patched() == before
    requests = playwright.request.new_context()
    requests.get(server.url())
    requests.dispose()
    assert has_no_marker(server.only)
