"""A real browser, without a window."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; where there is none these tests say so and do not run."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine; the tests of pages need one: apt-get install chromium, or Chrome")
    with sync_playwright() as playwright:
        # As root, which CI is, Chromium has no sandbox of its own.
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Browser) -> Callable[[str], AbstractContextManager[Page]]:
    """Opens a page; while it was open nothing may have gone wrong, nor out to another place than the page's own."""

    @contextmanager
    def opened(address: str) -> Iterator[Page]:
        page = browser.new_page(viewport={"width": 1250, "height": 1000})
        complaints: list[str] = []
        requests: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        yield page
        assert complaints == []
        assert [url for url in requests if not url.startswith(("data:", "blob:")) and not _is_within(url, address)] == []
        page.close()

    return opened


def _is_within(url: str, address: str) -> bool:
    """A file is alone; a server's page may ask that server."""
    asked, own = urlsplit(url), urlsplit(address)
    return url == address if own.scheme == "file" else (asked.scheme, asked.netloc) == (own.scheme, own.netloc)
