"""A real Chromium, cut off from everything but this machine."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

EXPLORER_PAGE = Path(__file__).parents[2] / "gql" / "explorer" / "dist" / "index.html"


@dataclass
class Visit:
    """A page of its own browser context (its own storage), and all that it asked for and complained about."""

    page: Page
    addresses: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        def note(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.complaints.append(message.text)

        self.page.on("request", lambda request: self.addresses.append(request.url))
        self.page.on("websocket", lambda socket: self.addresses.append(socket.url))
        self.page.on("console", note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    if not EXPLORER_PAGE.is_file():
        pytest.fail("The explorer is not built: run `make explorer` first.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            # The system's browser where there is one, else the one of `playwright install chromium`.
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
            ],
        )
        yield browser
        await browser.close()


@pytest.fixture
async def visit(chromium: Browser) -> AsyncIterator[Visit]:
    context = await chromium.new_context(viewport={"width": 1360, "height": 820}, locale="en-GB")
    context.set_default_timeout(15_000)
    visit = Visit(await context.new_page())
    visit.watch()
    yield visit
    await context.close()
