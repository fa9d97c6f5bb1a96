"""Which browser contexts are marked: those that simulated work makes, and those that it marks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Playwright

import synthetic
from synthetic.errors import ConfigurationError
from synthetic_playwright import mark
from synthetic_playwright._flow import run
from synthetic_playwright._marking import watched
from tests.integrations.playwright.site import LOCAL, SHOP, Site
from tests.products import playwright as product
from tests.support.clients import claims_of, token_of

# With the patches


def test_a_context_that_real_work_makes_is_real(
    browser: Browser, takes_part: None, instrumented: None, site: Site
) -> None:
    site.is_real = True
    page = browser.new_page()
    page.goto(site.shop())
    with synthetic.real():
        page.goto(site.shop("/again"))
    page.context.close()
    assert site.sent() == [(SHOP, "/", False), (SHOP, "/again", False)]


def test_simulated_work_cannot_use_a_page_of_real_work(
    browser: Browser, takes_part: None, instrumented: None, site: Site
) -> None:
    page = browser.new_page()
    with synthetic.simulated(run="rush-hour"), pytest.raises(ConfigurationError, match="outside of simulated work"):
        page.goto(site.shop())
    page.context.close()
    assert not site.requests


def test_real_work_cannot_use_a_page_of_simulated_work(
    browser: Browser, takes_part: None, instrumented: None, site: Site
) -> None:
    with synthetic.simulated(run="rush-hour"):
        page = browser.new_page()
        with synthetic.real(), pytest.raises(ConfigurationError, match="is marked"):
            page.goto(site.shop())
        page.context.close()
    assert not site.requests


def test_a_persistent_context_is_marked_with_the_page_that_it_opens(
    playwright: Playwright, chromium: str, takes_part: None, instrumented: None, site: Site, tmp_path: Path
) -> None:
    with synthetic.simulated(run="rush-hour"):
        context = playwright.chromium.launch_persistent_context(
            tmp_path, executable_path=chromium, args=product.OPTIONS
        )
        context.pages[0].goto(site.shop())
        context.new_page().goto(site.shop("/second"))
        context.close()
    assert site.sent() == [(SHOP, "/", True), (SHOP, "/second", True)]


# Without them


def test_mark_marks_one_context_and_its_calls(browser: Browser, takes_part: None, site: Site) -> None:
    site.redirect("/", site.local_vendor("/steal"))
    with synthetic.simulated(run="rush-hour"):
        context = browser.new_context()
        mark(context)
        assert not context.pages
        context.new_page().goto(site.shop("/page"))
        with pytest.raises(synthetic.EffectRefused):
            context.request.get(site.local())
        context.close()
    assert site.sent() == [(SHOP, "/page", True), (LOCAL, "/", True)]


@pytest.mark.parametrize("patched", [False, True])
def test_what_is_marked_twice_is_marked_once(
    browser: Browser, takes_part: None, site: Site, patched: bool, request: pytest.FixtureRequest
) -> None:
    if patched:
        request.getfixturevalue("instrumented")
    with synthetic.simulated(run="rush-hour"):
        context = browser.new_context()
        mark(context)
        mark(context)
        context.new_page().goto(site.shop())
        context.request.get(site.local())
        context.close()
    assert len({token_of(request) for request in site.requests}) == 1


def test_a_context_can_be_marked_again_for_the_next_work(browser: Browser, takes_part: None, site: Site) -> None:
    context = browser.new_context()
    for run_name in ("first", "second"):
        with synthetic.simulated(run=run_name):
            mark(context)
            context.new_page().goto(site.shop(f"/{run_name}"))
    context.close()
    pages = [request for request in site.requests if request.path != "/favicon.ico"]
    assert [claims_of(token_of(request))["run"] for request in pages] == ["first", "second"]


@pytest.mark.usefixtures("takes_part")
def test_mark_outside_of_simulated_work_is_an_error(browser: Browser) -> None:
    context = browser.new_context()
    with pytest.raises(ConfigurationError, match="outside of simulated work"):
        mark(context)
    with synthetic.real(), pytest.raises(ConfigurationError, match="outside of simulated work"):
        mark(context)
    context.close()


def test_mark_after_pages_were_loaded_is_an_error(
    playwright: Playwright, chromium: str, takes_part: None, site: Site
) -> None:
    site.is_real = True
    browser = playwright.chromium.launch(executable_path=chromium, args=product.OPTIONS)
    context = browser.new_context()
    context.new_page().goto(site.shop())
    with synthetic.simulated(run="rush-hour"), pytest.raises(ConfigurationError, match="before you open"):
        mark(context)
    browser.close()


@pytest.mark.parametrize("name", ["firefox", "webkit"])
def test_a_browser_that_hides_redirects_is_refused(name: str) -> None:
    browser: Any = SimpleNamespace(browser_type=SimpleNamespace(name=name))
    with pytest.raises(ConfigurationError, match=f"cannot use {name}"):
        run(watched("sync", browser))


def test_a_context_that_cannot_be_marked_is_not_made(
    browser: Browser, takes_part: None, instrumented: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(browser.contexts)
    monkeypatch.setattr("synthetic_playwright._marking._id_of", lambda context: 1 / 0)
    with synthetic.simulated(run="rush-hour"), pytest.raises(ZeroDivisionError):
        browser.new_context()
    assert len(browser.contexts) == before


def test_a_request_is_blocked_if_our_part_breaks(
    browser: Browser, takes_part: None, instrumented: None, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synthetic.simulated(run="rush-hour"):
        page = browser.new_page()
        monkeypatch.setattr("synthetic_playwright._requests.depart", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(Error, match="ERR_BLOCKED_BY_CLIENT"):
            page.goto(site.shop())
        page.context.close()
    assert not site.requests
