"""API keys, made through the public API, and clients that show them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType
from typing import Any

import httpx

from tests.gql.api import Api, Person

CREATE = """
mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { key apiKey { id name prefix scopes lastUsedAt revokedAt
createdBy { name } } } }
"""
REVOKE = "mutation ($id: ID!) { revokeApiKey(id: $id) { id revokedAt } }"
LIST = "{ apiKeys { nodes { id name prefix scopes lastUsedAt revokedAt } } }"
ALL = ("SALES_READ", "SALES_WRITE", "PRODUCTS_READ", "PRODUCTS_WRITE", "STOCK_WRITE", "TRANSACTIONS_READ")


async def make_key(api: Api, owner: Person, *scopes: str, name: str = "Till 1") -> dict[str, Any]:
    """A new key, as making it shows it; of all scopes where none is named."""
    data = await api.data(CREATE, {"input": {"name": name, "scopes": list(scopes or ALL)}}, caller=owner)
    made: dict[str, Any] = data["createApiKey"]
    return made


@asynccontextmanager
async def client_of(url: str, key: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that shows a key, at the REST API of a server."""
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        yield client


@asynccontextmanager
async def program(api: Api, url: str, owner: Person, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of its own."""
    async with client_of(url, (await make_key(api, owner, *scopes))["key"]) as client:
        yield client


@asynccontextmanager
async def connection(
    url: str, method: str, path: str, key: str, headers: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which a request has been begun: its head is sent, and little is read of the answer by itself."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    named = {"Host": host, "Authorization": f"Bearer {key}", **headers}
    lines = [f"{method} /api/v1{path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def code_of(response: httpx.Response, status: int) -> str:
    """The code of a problem that must have this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["requestId"] == response.headers["x-request-id"]
    return str(problem["code"])
