"""What a foreign page can make a browser do, and what browsers are told: OWASP Cross-Site Request Forgery Prevention, HTML5 Security
(WebSockets, CORS) and HTTP Headers Cheat Sheets; ASVS 4.0.3, 4.2.2, 13.2.3, 14.4 and 14.5; ASVS 5.0, 3.4, 3.5 and 4.4.2.
"""

import asyncio

import httpx
import pytest
import websockets
from websockets.exceptions import InvalidStatus

from gql.explorer import CONTENT_SECURITY_POLICY
from tests.gql.api import Person
from tests.security.conftest import ORIGIN, Site

FOREIGN = "https://evil.example"
BODY = b'{"query": "mutation { signOut }"}'


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain; charset=application/json", None],
)
async def test_what_a_page_can_send_without_a_preflight_is_no_request(site: Site, content_type: str | None) -> None:
    headers = {"Origin": FOREIGN} | ({} if content_type is None else {"Content-Type": content_type})
    answer = await site.client.post("/graphql", content=BODY, headers=headers)
    assert answer.status_code == 415
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE"])
async def test_a_mutation_is_carried_out_by_post_alone(site: Site, ada: Person, method: str) -> None:
    answer = await site.client.request(
        method, "/graphql", params={"query": "mutation { signOut }"}, headers={"Authorization": f"Bearer {ada.access_token}"}
    )
    assert answer.status_code == 405
    assert await site.codes("{ viewer { email } }", Authorization=f"Bearer {ada.access_token}") == []


@pytest.mark.parametrize(
    "origin", [FOREIGN, "null", "https://shop.example.evil.example", "http://shop.example", "https://shop.example:444"]
)
async def test_a_page_of_an_origin_that_is_not_listed_is_allowed_nothing(site: Site, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = await site.client.options("/graphql", headers=asked)
    assert "access-control-allow-origin" not in preflight.headers
    answer = await site.post("{ __typename }", Origin=origin)
    assert "access-control-allow-origin" not in answer.headers
    with pytest.raises(InvalidStatus) as refused:
        await websockets.connect(f"{site.url.replace('http', 'ws')}/graphql", origin=origin, subprotocols=["graphql-transport-ws"])  # type: ignore[arg-type,list-item]
    assert refused.value.response.status_code == 403


async def test_a_page_of_a_listed_origin_may_call_and_is_lent_no_cookies(site: Site) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = await site.client.options("/graphql", headers=asked)
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in preflight.headers
    answer = await site.post("{ __typename }", Origin=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    async with websockets.connect(f"{site.url.replace('http', 'ws')}/graphql", origin=ORIGIN, subprotocols=["graphql-transport-ws"]):  # type: ignore[arg-type,list-item]
        pass


async def test_no_answer_sets_a_cookie(site: Site, ada: Person) -> None:
    for answer in (await site.post("{ viewer { email } }", Authorization=f"Bearer {ada.access_token}"), await site.client.get("/")):
        assert "set-cookie" not in answer.headers


PATHS = [
    "/",
    "/explorer/none.js",
    "/graphql",
    "/nothing",
    "/healthz",
    "/readyz",
    "/metrics",
    "/dev/mail",
    "/api/v1/products",
    "/api/v1/openapi.json",
]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_tells_browsers_what_to_refuse(site: Site, path: str) -> None:
    answer = await site.client.get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["content-type"]
    assert "server" not in answer.headers
    assert "x-powered-by" not in answer.headers


async def test_the_explorer_lives_under_a_policy_without_inline_or_foreign_scripts(site: Site) -> None:
    assert (await site.client.get("/")).headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    directives = dict(part.strip().split(" ", 1) for part in CONTENT_SECURITY_POLICY.split(";"))
    assert directives["script-src"] == "'self'"
    assert directives["connect-src"] == "'self'"
    assert directives["default-src"] == "'none'"


async def test_in_production_metrics_and_kept_mail_are_for_nobody_without_the_operators_token(site: Site) -> None:
    assert (await site.client.get("/metrics")).status_code == 401
    assert (await site.client.get("/metrics", headers={"Authorization": "Bearer guess"})).status_code == 401
    assert (await site.client.get("/dev/mail")).status_code == 404
    assert await site.codes("{ engine { ready } }") == ["FORBIDDEN"]


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_answers_that_may_hold_secrets_are_kept_by_no_cache(site: Site, method: str) -> None:
    async with asyncio.timeout(10), httpx.AsyncClient(base_url=site.url) as client:
        answer = await client.request(method, "/graphql", headers={"Content-Type": "application/json"})
    assert answer.headers.get("cache-control") == "no-store"
