"""Every kind of request that a page makes: marked for the hosts that take part, and for no other."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, WebSocketRoute

import synthetic
from synthetic import ledger
from tests.integrations.playwright.site import API, LOCAL, OURS, SHOP, VENDOR, Site
from tests.support.clients import claims_of, token_of
from tests.support.recording_server import Answer

BLOCKED = "ERR_BLOCKED_BY_CLIENT"


@pytest.fixture
def shop(page: Page, site: Site) -> Page:
    """A page of the shop."""
    site.document("/")
    page.goto(site.shop())
    return page


def test_a_page_is_requested_with_the_marker_of_the_work_that_made_its_context(
    browser: Browser, takes_part: None, instrumented: None, site: Site
) -> None:
    with synthetic.simulated(run="rush-hour", kind="load", actor="rider-7"):
        page = browser.new_page()
        page.goto(site.shop())
        page.context.close()
    claims = claims_of(token_of(site.requests[0]))
    assert (claims["run"], claims["kind"], claims["sub"]) == ("rush-hour", "load", "rider-7")


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_vendor_is_blocked_and_sends_nothing(
    page: Page, site: Site, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    site.redirect("/out", site.vendor("/steal"), status)
    with ledger.recorded() as outcomes, pytest.raises(Error, match=BLOCKED):
        page.goto(site.shop("/out"))
    assert site.sent() == [(SHOP, "/out", True)]
    assert [(outcome.effect, outcome.action, outcome.target) for outcome in outcomes] == [
        ("external-call", "refuse", VENDOR)
    ]
    assert "internal_hosts" in caplog.text
    assert "external-call = 'allow'" in caplog.text


def test_a_redirect_to_a_vendor_that_is_allowed_loses_the_marker_and_gets_it_back(
    page: Page, vendors_allowed: None, site: Site
) -> None:
    site.redirect("/login", site.vendor("/sign-in"))
    site.redirect("/sign-in", site.api("/back"))
    site.redirect("/back", site.shop("/account"))
    page.goto(site.shop("/login"))
    assert site.sent() == [
        (SHOP, "/login", True),
        (VENDOR, "/sign-in", False),
        (API, "/back", True),
        (SHOP, "/account", True),
    ]


def test_a_vendor_that_redirects_to_the_shop_cannot_make_the_request_real(
    page: Page, vendors_allowed: None, site: Site
) -> None:
    site.redirect("/in", site.shop("/account"))
    page.goto(site.vendor("/in"))
    assert site.sent() == [(VENDOR, "/in", False), (SHOP, "/account", True)]


def test_redirects_of_images_and_of_fetch_are_decided_at_each_hop(
    shop: Page, vendors_allowed: None, site: Site
) -> None:
    for path, target in (("/picture", "/picture.png"), ("/feed", "/feed.json")):
        site.redirect(path, site.vendor(target))
    site.shared("/feed.json")
    shop.evaluate("new Promise(done => { const one = new Image(); one.onerror = done; one.src = '/picture' })")
    assert shop.evaluate("fetch('/feed').then(answer => answer.status)") == 200
    assert site.sent()[1:] == [
        (SHOP, "/picture", True),
        (VENDOR, "/picture.png", False),
        (SHOP, "/feed", True),
        (VENDOR, "/feed.json", False),
    ]


# What a page consists of


def test_frames_carry_the_marker_wherever_they_come_from(page: Page, vendors_allowed: None, site: Site) -> None:
    """Same site, other site (in a process of its own), written in place, and nested."""
    site.document(
        "/",
        f"""<iframe src="/inner"></iframe><iframe src="{site.api("/widget")}"></iframe>
        <iframe src="{site.vendor("/ad")}"></iframe><iframe srcdoc="<img src=/written.png>"></iframe>""",
    )
    site.document("/inner", "<iframe src=/innermost></iframe>")
    site.document("/widget", f"<img src={site.shop('/from-widget.png')}><iframe src=/nested></iframe>")
    site.document("/ad", f"<img src={site.shop('/from-ad.png')}>")
    page.goto(site.shop())
    assert sorted(site.sent()) == sorted(
        [
            (SHOP, "/", True),
            (SHOP, "/inner", True),
            (SHOP, "/innermost", True),
            (API, "/widget", True),
            (API, "/nested", True),
            (VENDOR, "/ad", False),
            (SHOP, "/written.png", True),
            (SHOP, "/from-widget.png", True),
            (SHOP, "/from-ad.png", True),
        ]
    )


def test_a_vendors_files_are_blocked_and_the_page_goes_on(
    page: Page, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.document(
        "/",
        f"""<link rel=stylesheet href={site.vendor("/font.css")}>
        <script src={site.vendor("/analytics.js")}></script><img src={site.vendor("/pixel.png")}><p>Welcome""",
    )
    page.goto(site.shop())
    assert page.inner_text("p") == "Welcome"
    assert site.sent() == [(SHOP, "/", True)]
    refusals = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(refusals) == 1, "each host is named once"


def test_requests_across_the_shops_own_hosts_need_no_other_cors_headers_than_real_ones(shop: Page, site: Site) -> None:
    """A header that a page itself adds would have to be allowed by the service. This one stays below all that."""
    site.shared("/simple")
    assert shop.evaluate(f"fetch('{site.api('/simple')}').then(answer => answer.status)") == 200
    assert [request.method for request in site.requests if request.path == "/simple"] == ["GET"]


def test_a_preflight_reaches_the_service_and_does_not_ask_for_the_marker(shop: Page, site: Site) -> None:
    site.shared("/order")
    options = "{method: 'POST', credentials: 'include', headers: {'content-type': 'application/json'}, body: '[7]'}"
    shop.context.add_cookies([{"name": "session", "value": "1", "url": site.api()}])
    assert shop.evaluate(f"fetch('{site.api('/order')}', {options}).then(answer => answer.status)") == 200
    preflight, order = [request for request in site.requests if request.path == "/order"]
    assert (preflight.method, preflight.values("Access-Control-Request-Headers")) == ("OPTIONS", ["content-type"])
    assert (order.method, order.body) == ("POST", b"[7]")
    assert order.values("Content-Type") == ["application/json"]
    assert token_of(order)


def test_a_service_that_refuses_a_preflight_refuses_that_of_a_simulated_page(shop: Page, site: Site) -> None:
    options = "{method: 'POST', headers: {'content-type': 'application/json'}, body: '[7]'}"
    answered = shop.evaluate(f"fetch('{site.api('/order')}', {options}).catch(error => error.name)")
    assert answered == "TypeError"
    assert [request.method for request in site.requests if request.path == "/order"] == ["OPTIONS"]


def test_cookies_and_the_body_of_a_form_stay_as_they_are(page: Page, site: Site) -> None:
    site.document("/", "<form method=post action=/order><input name=ride value=7><button>Book</button></form>")
    page.context.add_cookies([{"name": "session", "value": "1", "url": site.shop()}])
    page.goto(site.shop())
    with page.expect_navigation():
        page.click("button")
    order = next(request for request in site.requests if request.path == "/order")
    assert (order.method, order.body, order.values("Cookie")) == ("POST", b"ride=7", ["session=1"])


def test_what_a_page_sends_in_the_background_carries_the_marker(shop: Page, vendors_allowed: None, site: Site) -> None:
    shop.evaluate(f"""() => {{
        navigator.sendBeacon('/beacon', 'x')
        navigator.sendBeacon('{site.vendor("/their-beacon")}', 'x')
        fetch('/kept', {{method: 'POST', keepalive: true}})
        new EventSource('/events')
        document.head.innerHTML = '<link rel=prefetch href=/next><link rel=preload as=fetch href=/soon>'
    }}""")
    site.wait(shop, "/beacon", "/their-beacon", "/kept", "/events", "/next", "/soon")


def test_workers_of_all_kinds_carry_the_marker(page: Page, vendors_allowed: None, site: Site) -> None:
    site.document("/")
    site.script("/worker.js", f"fetch('/of-worker'); fetch('{site.vendor('/of-worker-out')}', {{mode: 'no-cors'}})")
    site.script("/shared.js", "fetch('/of-shared')")
    site.script(
        "/service.js",
        """
        self.addEventListener('activate', event => event.waitUntil(clients.claim()))
        self.addEventListener('fetch', event => event.respondWith(fetch(event.request)))
        fetch('/of-service')""",
    )
    page.goto(site.local())
    page.evaluate("new Worker('/worker.js'); new SharedWorker('/shared.js'); null")
    page.evaluate("""async () => {
        await navigator.serviceWorker.register('/service.js')
        await navigator.serviceWorker.ready
        if (!navigator.serviceWorker.controller)
            await new Promise(done => navigator.serviceWorker.addEventListener('controllerchange', done))
        await fetch('/through-service')
    }""")
    site.wait(page, "/of-worker", "/of-worker-out", "/of-shared", "/of-service", "/through-service")
    assert (LOCAL, "/through-service", True) in site.sent()


def test_a_popup_carries_the_marker_from_its_first_request_on(shop: Page, vendors_allowed: None, site: Site) -> None:
    site.document("/popup", "<iframe src=/in-popup></iframe>")
    site.redirect("/to-vendor", site.vendor("/arrived"))
    with shop.expect_popup() as opened:
        shop.evaluate("() => { window.open('/popup') }")
    opened.value.wait_for_load_state()
    shop.evaluate("() => { window.open('/to-vendor', '_blank', 'noopener') }")
    site.wait(shop, "/popup", "/in-popup", "/arrived")
    assert (VENDOR, "/arrived", False) in site.sent()


def test_a_download_carries_the_marker(shop: Page, site: Site) -> None:
    site.answers["/bill"] = Answer(200, (("Content-Disposition", "attachment; filename=bill.txt"),), b"7 km")
    with shop.expect_download() as started:
        shop.evaluate("() => { location.href = '/bill' }")
    assert started.value.path().read_bytes() == b"7 km"
    assert (SHOP, "/bill", True) in site.sent()


# WebSockets


def test_a_websocket_is_refused_because_its_handshake_cannot_be_marked(
    shop: Page, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    url = site.shop("/live?token=secret").replace("http", "ws")
    code = shop.evaluate(f"new Promise(done => {{ new WebSocket('{url}').onclose = event => done(event.code) }})")
    assert code == 1008
    assert not [path for _, path, _ in site.sent() if path.startswith("/live")]
    assert "/live" in caplog.text
    assert "secret" not in caplog.text


def test_a_websocket_can_be_answered_by_a_route_of_the_test(shop: Page, site: Site) -> None:
    def answer(socket: WebSocketRoute) -> None:
        socket.on_message(lambda message: socket.send(f"{message}, too"))

    shop.context.route_web_socket(lambda url: True, answer)
    shop.goto(site.shop())
    url = site.shop("/live").replace("http", "ws")
    assert (
        shop.evaluate(f"""new Promise(done => {{
        const socket = new WebSocket('{url}')
        socket.onopen = () => socket.send('hello')
        socket.onmessage = event => done(event.data)
    }})""")
        == "hello, too"
    )


# Beside others


def test_a_route_of_the_test_cannot_pass_the_marker_by(page: Page, site: Site) -> None:
    page.context.route("**/*", lambda route: route.continue_())
    page.route("**/changed", lambda route: route.continue_(headers={"x-own": "1", "baggage": "a=1"}))
    site.redirect("/changed", site.api("/next"))
    page.goto(site.shop())
    page.goto(site.shop("/changed"))
    changed = next(request for request in site.requests if request.path == "/changed")
    assert changed.values("x-own") == ["1"]
    assert changed.values("baggage")[0].endswith(",a=1")
    assert (API, "/next", True) in site.sent()


def test_a_request_that_the_test_answers_itself_reaches_nobody(page: Page, site: Site) -> None:
    page.route("**/*", lambda route: route.fulfill(body="made up"))
    page.goto(site.vendor("/fonts"))
    assert page.inner_text("body") == "made up"
    assert not site.requests


def test_the_baggage_of_the_page_itself_is_kept(shop: Page, site: Site) -> None:
    shop.evaluate("fetch('/trace', {headers: {baggage: 'sentry-trace_id=1'}})")
    trace = next(request for request in site.requests if request.path == "/trace")
    assert trace.values("baggage")[0].endswith(",sentry-trace_id=1")


def test_a_token_in_the_pages_own_headers_goes_to_no_vendor(
    browser: Browser, vendors_allowed: None, instrumented: None, site: Site
) -> None:
    """Setting it for all requests is how people begin."""
    with synthetic.simulated(run="rush-hour"):
        page = browser.new_page(extra_http_headers=synthetic.headers())
        page.goto(site.shop())
        page.goto(site.vendor())
        page.context.close()
    assert site.sent() == [(SHOP, "/", True), (VENDOR, "/", False)]


def test_the_cache_of_the_browser_stays_on(shop: Page, site: Site) -> None:
    """Routing with Playwright would switch it off, and simulated users would load more than real ones."""
    site.answers["/logo"] = Answer(200, (("Cache-Control", "max-age=600"),))
    for _ in range(2):
        assert shop.evaluate("fetch('/logo').then(answer => answer.text())") == "ok"
    assert [path for _, path, _ in site.sent()].count("/logo") == 1


# As time goes by


def test_the_token_of_a_page_is_renewed_at_half_its_lifetime(page: Page, keys: dict[str, Any], site: Site) -> None:
    now = [1_800_000_000.0]
    synthetic.configure(keys=keys, internal_hosts=OURS, lifetime=100, clock=lambda: now[0])
    for moment in (0, 49, 51):
        now[0] = 1_800_000_000.0 + moment
        page.goto(site.shop(f"/at-{moment}"))
    pages = [request for request in site.requests if request.path.startswith("/at-")]
    first, second, third = (claims_of(token_of(request))["iat"] for request in pages)
    assert (first, second, third) == (1_800_000_000, 1_800_000_000, 1_800_000_051)


def test_a_page_that_outlives_its_work_is_blocked(
    browser: Browser, takes_part: None, instrumented: None, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with synthetic.simulated(run="rush-hour"):
        page = browser.new_page()
    with pytest.raises(Error, match=BLOCKED):
        page.goto(site.shop())
    page.context.close()
    assert not site.requests
    assert "has ended" in caplog.text


def test_contexts_of_one_browser_keep_their_own_markers(
    browser: Browser, takes_part: None, instrumented: None, site: Site
) -> None:
    """Also in frames, for which the browser does not say whose they are."""
    site.is_real = True
    pages: dict[str | None, Page] = {None: browser.new_page()}
    frames = "".join(f"<iframe src='/frame-{n}'></iframe>" for n in range(5))
    with synthetic.simulated(run="rush-hour", actor="ann"):
        pages["ann"] = browser.new_page()
        with synthetic.simulated(run="rush-hour", actor="bob"):
            pages["bob"] = browser.new_page()
            for name, page in pages.items():
                site.document(f"/{name}", frames)
                page.evaluate(f"() => {{ location.href = {json.dumps(site.shop(f'/{name}'))} }}")
            for name, page in pages.items():
                page.wait_for_url(f"**/{name}")
                page.wait_for_load_state()
                page.context.close()
    for request in [request for request in site.requests if request.path != "/favicon.ico"]:
        referer = (request.values("Referer") or [request.path])[0].rpartition("/")[2]
        actor = claims_of(token_of(request))["sub"] if site.is_marked(request) else None
        assert str(actor) == referer, request
    assert len([request for request in site.requests if request.path.startswith("/frame")]) == 15
