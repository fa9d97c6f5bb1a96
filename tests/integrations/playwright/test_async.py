"""The async API: the same rules, and contexts that are made at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Error, Page, async_playwright

import synthetic
from synthetic.errors import ConfigurationError
from synthetic_playwright import mark
from tests.integrations.playwright.site import API, SHOP, VENDOR, Site
from tests.products import playwright as product
from tests.support.asyncio_thread import Loop
from tests.support.clients import claims_of, token_of


@pytest.fixture(scope="module")
def browser(loop: Loop, chromium: str) -> Iterator[Browser]:  # type: ignore[override]
    manager = async_playwright()
    playwright = loop.run(manager.start())
    browser = loop.run(playwright.chromium.launch(executable_path=chromium, args=product.OPTIONS))
    yield browser
    loop.run(browser.close())
    loop.run(manager.__aexit__())


def test_contexts_that_are_made_at_the_same_time_are_all_marked(
    browser: Browser, loop: Loop, takes_part: None, instrumented: None, site: Site
) -> None:
    site.document("/ann", f"<iframe src={site.api('/ann/frame')}></iframe><iframe src=/ann/inner></iframe>")
    site.document("/bob", f"<iframe src={site.api('/bob/frame')}></iframe><iframe src=/bob/inner></iframe>")

    async def visit(actor: str) -> None:
        with synthetic.simulated(run="rush-hour", actor=actor):
            page = await browser.new_page()
            await page.goto(site.shop(f"/{actor}"))
            await page.context.close()

    async def both() -> None:
        await asyncio.gather(visit("ann"), visit("bob"))

    loop.run(both())
    pages = [request for request in site.requests if request.path != "/favicon.ico"]
    assert len(pages) == 6
    for request in pages:
        assert claims_of(token_of(request))["sub"] == request.path.split("/")[1]


def test_redirects_popups_and_websockets_follow_the_same_rules(
    browser: Browser, loop: Loop, vendors_allowed: None, instrumented: None, site: Site
) -> None:
    site.redirect("/out", site.vendor("/away"))
    site.redirect("/away", site.api("/back"))

    async def visit() -> int:
        with synthetic.simulated(run="rush-hour"):
            context = await browser.new_context()
            page = await context.new_page()
            await page.goto(site.shop("/out"))
            async with page.expect_popup() as opened:
                await page.evaluate(f"() => {{ window.open('{site.shop('/popup')}') }}")
            await (await opened.value).wait_for_load_state()
            code = await closing_code(page)
            await context.request.get(site.local())
            await context.close()
            return code

    async def closing_code(page: Page) -> int:
        url = site.shop("/live").replace("http", "ws")
        code = await page.evaluate(f"new Promise(done => {{ new WebSocket('{url}').onclose = e => done(e.code) }})")
        return int(code)

    assert loop.run(visit()) == 1008
    assert site.sent()[:4] == [
        (SHOP, "/out", True),
        (VENDOR, "/away", False),
        (API, "/back", True),
        (SHOP, "/popup", True),
    ]


def test_mark_is_awaited(browser: Browser, loop: Loop, takes_part: None, site: Site) -> None:
    async def visit() -> None:
        context = await browser.new_context()
        with pytest.raises(ConfigurationError):
            await mark(context)
        with synthetic.simulated(run="rush-hour"):
            await mark(context)
            page = await context.new_page()
            await page.goto(site.shop())
            with pytest.raises(Error, match="ERR_BLOCKED_BY_CLIENT"):
                await page.goto(site.vendor())
        with pytest.raises(Error, match="ERR_BLOCKED_BY_CLIENT"):
            await page.goto(site.shop("/late"))
        await context.close()

    loop.run(visit())
    assert site.sent() == [(SHOP, "/", True)]
