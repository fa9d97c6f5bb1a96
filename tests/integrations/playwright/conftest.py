"""Fixtures for the tests of Playwright: one browser for the tests of a module, and a site of several hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

import synthetic
from tests.integrations.playwright.site import OURS, Site
from tests.products import playwright as product
from tests.support import switches


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium, args=product.OPTIONS)
    yield browser
    browser.close()


@pytest.fixture
def instrumented() -> Iterator[None]:
    with switches.instrumented(product.NAME):
        yield


@pytest.fixture
def takes_part(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, internal_hosts=OURS)


@pytest.fixture
def vendors_allowed(takes_part: None, keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, internal_hosts=OURS, policy={"external-call": "allow"})


@pytest.fixture
def site() -> Iterator[Site]:
    """Whatever a test does: at its end, every simulated request to a host that takes part was marked, and no other."""
    with Site() as site:
        yield site
    for request in site.requests:
        if not site.is_real:
            assert site.is_marked(request) is site.takes_part(request), request


@pytest.fixture
def page(browser: Browser, takes_part: None, instrumented: None) -> Iterator[Page]:
    """A page of simulated work."""
    with synthetic.simulated(run="rush-hour"):
        page = browser.new_page()
        yield page
        page.context.close()
