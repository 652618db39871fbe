"""A real browser for the tests of the search page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SYSTEM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Visit:
    """One browser context on one server, with all that it asked and said.

    Attributes:
        requests: the URLs that the page asked for, in order.
        complaints: errors of the console and of scripts; a refused request is none.
    """

    page: Any
    url: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def go(self, address: str = "/") -> None:
        """Open an address of the server."""
        self.page.goto(self.url + address)

    def captions(self) -> list[str]:
        """The captions of the results, in order."""
        texts: list[str] = self.page.locator("#results .tile .caption").all_inner_texts()
        return texts

    def first(self, caption: str) -> None:
        """Wait until the first result is called so."""
        self.page.locator("#results .tile .caption").first.filter(has_text=caption).wait_for(timeout=8_000)

    def status(self, text: str) -> None:
        """Wait until the status says so."""
        self.page.locator("#status").filter(has_text=text).wait_for(timeout=8_000)

    def searches(self) -> int:
        """How many searches were asked."""
        return sum(urlsplit(one).path == "/v1/search" for one in self.requests)

    def choose(self, label: str, option: str) -> None:
        """Choose the first option that has some words."""
        listed = self.page.get_by_label(label, exact=True)
        names = listed.locator("option").all_inner_texts()
        listed.select_option(index=next(place for place, name in enumerate(names) if option in name))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Chromium: Playwright's own, else the system's; skipped where there is none."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="the browser tests need Playwright: pip install playwright"
    )
    with sync_api.sync_playwright() as playwright:
        found = [path for name in SYSTEM if (path := shutil.which(name))]
        reasons = []
        for path in (None, *found):
            try:
                browser = playwright.chromium.launch(executable_path=path, args=ARGS)
            except sync_api.Error as error:
                reasons.append(f"{path or 'its own'}: {str(error).strip().splitlines()[0]}")
                continue
            yield browser
            browser.close()
            return
        pytest.skip(f"there is no browser that starts ({'; '.join(reasons)}); install chromium, or: playwright install")


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Visit]]:
    """Opens a server's page: ``visit(running, "/?q=dog", width=360)``; whatever it asked for, it asked that server."""
    visits: list[Visit] = []
    contexts = []

    def open_page(
        running: Any, address: str | None = "/", width: int = 1280, height: int = 800, **options: Any
    ) -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(8_000)
        contexts.append(context)
        visited = Visit(context.new_page(), running.url)
        visited.page.on("request", lambda request: visited.requests.append(request.url))
        visited.page.on("pageerror", lambda error: visited.complaints.append(str(error)))
        visited.page.on(
            "console",
            lambda message: (
                visited.complaints.append(message.text)
                if message.type == "error" and "Failed to load resource" not in message.text
                else None
            ),
        )
        visits.append(visited)
        if address is not None:
            visited.go(address)
        return visited

    yield open_page
    for context in contexts:
        context.close()
    for one in visits:
        elsewhere = [url for url in one.requests if not url.startswith((one.url, "blob:", "data:"))]
        assert not elsewhere, f"the page asked other hosts: {elsewhere}"
        assert not one.complaints
