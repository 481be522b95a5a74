import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate
from starlette.applications import Starlette

from gql.explorer import CONTENT_SECURITY_POLICY, explorer_routes
from gql.schema import build_schema as build_tillstream_schema

EXPLORER = Path(__file__).parents[2] / "gql" / "explorer"
EXAMPLES: list[dict[str, Any]] = json.loads((EXPLORER / "src" / "examples.json").read_text())


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """What a build leaves behind, in small, beside a file that nobody may read."""
    (tmp_path / "secret.js").write_text("secret")
    folder = tmp_path / "dist"
    (folder / "explorer").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Tillstream</title>")
    (folder / "explorer" / "index-1a2b.js").write_text("plain")
    (folder / "explorer" / "index-1a2b.js.gz").write_bytes(b"compressed")
    (folder / "explorer" / "icon-3c4d.svg").write_text("<svg/>")
    return folder


@pytest.fixture
async def client(dist: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Starlette(routes=explorer_routes(dist)))
    async with httpx.AsyncClient(transport=transport, base_url="http://tillstream.test", headers={"Accept-Encoding": "identity"}) as client:
        yield client


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(build_tillstream_schema().as_str())


async def test_the_page_is_always_asked_for_anew_and_carries_its_policy(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "<title>Tillstream</title>" in response.text


async def test_the_policy_lets_no_script_in_but_the_pages_own() -> None:
    directives = dict(directive.split(" ", 1) for directive in CONTENT_SECURITY_POLICY.split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert "http" not in CONTENT_SECURITY_POLICY


async def test_a_page_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    transport = httpx.ASGITransport(Starlette(routes=explorer_routes(tmp_path / "nowhere")))
    async with httpx.AsyncClient(transport=transport, base_url="http://tillstream.test") as client:
        page, asset = await client.get("/"), await client.get("/explorer/index-1a2b.js")
    assert page.status_code == 503
    assert page.headers["content-type"].startswith("text/plain")
    assert "make explorer" in page.text
    assert asset.status_code == 404


async def test_a_page_built_while_the_server_runs_is_served_at_once(tmp_path: Path) -> None:
    transport = httpx.ASGITransport(Starlette(routes=explorer_routes(tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://tillstream.test") as client:
        before = await client.get("/")
        (tmp_path / "index.html").write_text("built")
        after = await client.get("/")
    assert (before.status_code, after.status_code, after.text) == (503, 200, "built")


@pytest.mark.parametrize(
    ("name", "content_type"), [("index-1a2b.js", "text/javascript; charset=utf-8"), ("icon-3c4d.svg", "image/svg+xml")]
)
async def test_a_hashed_file_is_kept_for_ever_under_its_type(client: httpx.AsyncClient, name: str, content_type: str) -> None:
    response = await client.get(f"/explorer/{name}")
    assert response.status_code == 200
    assert response.headers["content-type"] == content_type
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "content-encoding" not in response.headers


async def test_a_file_is_sent_compressed_to_who_can_read_that(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/explorer/index-1a2b.js", headers={"Accept-Encoding": "gzip, br"}) as response:
        body = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["vary"] == "Accept-Encoding"
    assert body == b"compressed"


@pytest.mark.parametrize(
    "path",
    [
        "/explorer/",
        "/explorer/absent.js",
        "/explorer/..%2findex.html",
        "/explorer/..%2f..%2fsecret.js",
        "/explorer/%2e%2e%5csecret.js",
        "/explorer/index-1a2b.js%00",
        "/explorer/%00.js",
        "/explorer/index-1a2b.js.gz",
        "/explorer/" + "a" * 5000 + ".js",
        "/explorer/%ff.js",
        "/explorer/.js",
    ],
)
async def test_a_name_that_is_no_file_of_the_page_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert "secret" not in response.text


async def test_the_page_can_only_be_read(client: httpx.AsyncClient) -> None:
    assert (await client.post("/", content=b"x")).status_code == 405
    assert (await client.delete("/explorer/index-1a2b.js")).status_code == 405


def test_the_page_has_no_inline_script_and_no_address_of_another_host() -> None:
    html = (EXPLORER / "index.html").read_text()
    assert "//" not in html.replace("<!doctype html>", "")
    assert re.findall(r"<script[^>]*>([^<]*)</script>", html) == [""]
    assert " on" not in re.sub(r">[^<]*<", "><", html)


def test_the_lock_file_pins_each_package_by_hash_and_names_no_download_address() -> None:
    lock = json.loads((EXPLORER / "package-lock.json").read_text())
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert packages
    assert [path for path, package in packages.items() if "integrity" not in package] == []
    assert [path for path, package in packages.items() if "resolved" in package] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["name"] for example in EXAMPLES])
def test_an_example_is_valid_against_the_running_schema(example: dict[str, Any], schema: GraphQLSchema) -> None:
    document = parse(example["query"])
    assert validate(schema, document) == []
    [operation] = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    assert operation.name is not None
    assert operation.name.value == example["name"]
    asked_for = {definition.variable.name.value for definition in operation.variable_definitions or ()}
    assert set(example["variables"] or {}) == asked_for


def test_an_example_is_live() -> None:
    assert any("subscription " in example["query"] and "live {" in example["query"] for example in EXAMPLES)
