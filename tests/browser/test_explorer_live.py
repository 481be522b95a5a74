"""The main story of Tillstream in a browser: a list that is watched changes by itself."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SCREENSHOT = ROOT / "build" / "screenshots" / "explorer-live.png"
EXAMPLES: dict[str, str] = {
    example["name"]: example["query"] for example in json.loads((ROOT / "gql" / "explorer" / "src" / "examples.json").read_text())
}
PASSWORD = "correct horse battery staple"


def fresh_email() -> str:
    return f"ada-{secrets.token_hex(6)}@shop.example"


async def open_explorer(page: Page, live_server: str) -> None:
    await page.goto(live_server)
    await page.locator(".graphiql-query-editor .view-line").first.wait_for()


async def sign_up(page: Page, email: str, password: str = PASSWORD) -> None:
    await page.get_by_label("Your name").fill("Ada Lovelace")
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Create account").click()


async def run_live_products(page: Page) -> None:
    await page.get_by_role("tab", name="LiveProducts").click()
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.get_by_role("status")).to_contain_text("Live · 1 result")


async def execute(client: httpx.AsyncClient, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """The data of one operation that must succeed."""
    result = (await client.post("/graphql", json={"query": query, "variables": variables})).json()
    assert "errors" not in result, result
    data: dict[str, Any] = result["data"]
    return data


@asynccontextmanager
async def second_client(live_server: str, email: str) -> AsyncIterator[httpx.AsyncClient]:
    """Another device of the same person."""
    query = "mutation ($email: String!, $password: String!) { signIn(input: {email: $email, password: $password}) { accessToken } }"
    async with httpx.AsyncClient(base_url=live_server) as client:
        session = await execute(client, query, {"email": email, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {session['signIn']['accessToken']}"
        yield client


async def test_a_list_that_is_watched_changes_by_itself_when_another_client_writes(live_server: str, visit: Visit) -> None:
    page, email = visit.page, fresh_email()
    await open_explorer(page, live_server)
    await sign_up(page, email)
    await expect(page.get_by_test_id("badge")).to_have_text(email)
    await run_live_products(page)
    result = page.locator(".graphiql-response .view-lines")

    async with second_client(live_server, email) as client:
        product = (await execute(client, EXAMPLES["CreateProduct"]))["createProduct"]
        await expect(result).to_contain_text('"price": "3.20"')
        await execute(client, EXAMPLES["UpdateProduct"], {"id": product["id"], "price": "4.75"})
        await expect(result).to_contain_text('"price": "4.75"')

    await expect(page.get_by_role("status")).to_contain_text("Live · 3 results")
    SCREENSHOT.parent.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOT)
    assert {urlsplit(address).netloc for address in visit.addresses if not address.startswith("data:")} == {urlsplit(live_server).netloc}
    assert visit.complaints == []


async def test_the_examples_of_the_page_run_in_it(live_server: str, visit: Visit) -> None:
    page = visit.page
    await open_explorer(page, live_server)
    await sign_up(page, fresh_email())
    await page.get_by_role("button", name="Sign out").wait_for()
    result = page.locator(".graphiql-response .view-lines")
    for name, expected in [("CreateCategory", '"name": "Drinks"'), ("CreateProduct", '"name": "Flat white"'), ("Me", '"role": "OWNER"')]:
        await page.get_by_role("tab", name=name).click()
        await page.get_by_role("button", name="Execute query").click()
        await expect(result).to_contain_text(expected)
    assert visit.complaints == []


async def test_a_sign_up_that_is_refused_says_what_is_wrong_and_where(live_server: str, visit: Visit) -> None:
    page, email = visit.page, fresh_email()
    account = page.get_by_role("region", name="Account")
    await open_explorer(page, live_server)
    await sign_up(page, email, password="short")
    await expect(account.get_by_role("alert")).to_contain_text("INVALID_INPUT")
    await expect(page.locator("#password-errors")).not_to_be_empty()
    await expect(page.get_by_test_id("badge")).to_have_text("Not signed in")

    await sign_up(page, email)
    await page.get_by_role("button", name="Sign out").click()
    await sign_up(page, email)
    await expect(account.get_by_role("alert")).to_contain_text("CONFLICT")

    await account.get_by_role("group").get_by_role("button", name="Sign in").click()
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill("not the password at all")
    await page.locator("form").get_by_role("button", name="Sign in").click()
    await expect(account.get_by_role("alert")).to_contain_text("UNAUTHENTICATED")


async def test_a_reload_keeps_the_person_and_signing_out_ends_what_they_watch(live_server: str, visit: Visit) -> None:
    page, email = visit.page, fresh_email()
    await open_explorer(page, live_server)
    await sign_up(page, email)
    await page.get_by_role("button", name="Sign out").wait_for()
    await page.reload()
    await expect(page.get_by_test_id("badge")).to_have_text(email)
    await page.locator(".graphiql-query-editor .view-line").first.wait_for()
    await run_live_products(page)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.locator(".graphiql-response .view-lines")).to_contain_text("UNAUTHENTICATED")
    await page.reload()
    await expect(page.get_by_test_id("badge")).to_have_text("Not signed in")


async def test_the_access_token_is_renewed_before_it_expires_and_the_live_query_goes_on_with_it(live_server: str, visit: Visit) -> None:
    page = visit.page
    await page.clock.install()
    await open_explorer(page, live_server)
    await sign_up(page, fresh_email())
    await page.get_by_role("button", name="Sign out").wait_for()
    await run_live_products(page)
    first = json.loads(await page.evaluate("sessionStorage['tillstream.session']"))

    async with page.expect_request(lambda request: "refreshSession" in (request.post_data or "")):
        await page.clock.fast_forward(first["renewAt"] - await page.evaluate("Date.now()") + 1)
    await expect(page.get_by_role("status")).to_contain_text("Live · 2 results")

    second = json.loads(await page.evaluate("sessionStorage['tillstream.session']"))
    assert second["refreshToken"] != first["refreshToken"]
    assert second["expiresAt"] > first["expiresAt"]


async def test_a_second_tab_of_the_same_person_is_signed_out_with_the_first(live_server: str, visit: Visit) -> None:
    page, email = visit.page, fresh_email()
    await open_explorer(page, live_server)
    await sign_up(page, email)
    async with page.context.expect_page() as opened:
        await page.get_by_role("button", name="Open a second tab").click()
    twin = await opened.value
    await expect(twin.get_by_test_id("badge")).to_have_text(email)
    await twin.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_test_id("badge")).to_have_text("Not signed in")
