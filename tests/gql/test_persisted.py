"""Documents that are named instead of sent: automatic persisted queries as Apollo's clients speak them, and manifests."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import websockets

from datastore.settings import SettingsError
from gql import persisted
from gql.app import create_app
from gql.persisted import PersistedDocuments, read_manifest
from gql.schema import build_schema
from gql.service import GraphQLService
from gql.wire import GraphQLParams, RequestRefused
from resolvers.services import Services
from tests.serving import serving_app

DOCUMENT = "{ __typename }"
OTHER = "{ again: __typename }"
SCHEMA = build_schema()
ACCEPT = {"Accept": "application/graphql-response+json"}


def named(document: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256(document.encode()).hexdigest()}}


def code(body: dict[str, Any]) -> str:
    [error] = body["errors"]
    return str(error["extensions"]["code"])


async def test_a_document_is_asked_for_by_its_hash_then_registered_and_then_known(live_server: str) -> None:
    """The conversation of Apollo Client's createPersistedQueryLink, by GET where it asks by hash."""
    document = "query Registered { __typename }"
    extensions = orjson.dumps(named(document)).decode()
    async with httpx.AsyncClient(base_url=live_server, headers=ACCEPT) as client:
        unknown = await client.get("/graphql", params={"extensions": extensions, "operationName": "Registered"})
        assert code(unknown.json()) == "PERSISTED_QUERY_NOT_FOUND"
        assert unknown.json()["errors"][0]["message"] == "PersistedQueryNotFound"
        sent = await client.post("/graphql", json={"query": document, "extensions": named(document)})
        assert sent.json()["data"] == {"__typename": "Query"}
        for known in (
            await client.get("/graphql", params={"extensions": extensions}),
            await client.post("/graphql", json={"extensions": named(document)}),
        ):
            assert known.json()["data"] == {"__typename": "Query"}


async def test_who_asks_for_plain_json_is_told_with_status_200_as_apollo_tells(live_server: str) -> None:
    async with httpx.AsyncClient(base_url=live_server) as client:
        answer = await client.post("/graphql", json={"extensions": named("{ unheard: __typename }")})
    assert (answer.status_code, code(answer.json())) == (200, "PERSISTED_QUERY_NOT_FOUND")


async def test_a_socket_speaks_of_documents_by_their_hashes_too(live_server: str) -> None:
    document = "query OnSocket { __typename }"
    async with websockets.connect(f"{live_server.replace('http', 'ws')}/graphql", subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
        await socket.send('{"type":"connection_init"}')
        await socket.recv()
        answers = []
        for number, payload in enumerate([{"extensions": named(document)}, {"query": document, "extensions": named(document)}] * 2):
            await socket.send(orjson.dumps({"type": "subscribe", "id": str(number), "payload": payload}).decode())
            answers.append(orjson.loads(await socket.recv()))
            if answers[-1]["type"] == "next":
                assert orjson.loads(await socket.recv())["type"] == "complete"
    assert [answer["type"] for answer in answers] == ["error", "next", "next", "next"]
    assert code({"errors": answers[0]["payload"]}) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "extension",
    [
        7,
        {},
        {"version": 2, "sha256Hash": "x"},
        {"version": 1},
        {"version": 1, "sha256Hash": None},
        {"version": 1, "sha256Hash": {"$gt": ""}},
    ],
)
async def test_what_names_no_document_is_invalid(live_server: str, extension: object) -> None:
    async with httpx.AsyncClient(base_url=live_server, headers=ACCEPT) as client:
        answer = await client.post("/graphql", json={"extensions": {"persistedQuery": extension}})
    assert (answer.status_code, code(answer.json())) == (400, "INVALID_INPUT")


def test_nobody_registers_a_document_under_the_hash_of_another() -> None:
    documents = PersistedDocuments()
    with pytest.raises(RequestRefused) as refused:
        documents.text_of(GraphQLParams(OTHER, extensions=named(DOCUMENT)))
    assert refused.value.errors[0]["extensions"]["code"] == "INVALID_INPUT"


def test_what_is_registered_is_bounded_by_number_and_by_length(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = PersistedDocuments()
    monkeypatch.setattr(persisted, "MOST_DOCUMENTS", 3)
    monkeypatch.setattr(persisted, "MOST_CHARACTERS", 100)
    for document in ["{ a }", "{ b }", "{ c }", "{ d }", "{ e }"]:
        documents.register(GraphQLParams(document, extensions=named(document)))
        documents.register(GraphQLParams(document, extensions=named(document)))
    assert list(documents._registered.values()) == ["{ c }", "{ d }", "{ e }"]
    long = "{ " + "x" * 90 + " }"
    documents.register(GraphQLParams(long, extensions=named(long)))
    assert list(documents._registered.values()) == ["{ e }", long]
    assert documents._characters == sum(map(len, documents._registered.values()))


@asynccontextmanager
async def trusting(services: Services, manifest: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = services.settings.model_copy(update={"trusted_documents": manifest})
    trusting = replace(services, settings=settings)
    app = create_app(GraphQLService(SCHEMA, trusting), trusting)
    async with serving_app(app, settings) as url, httpx.AsyncClient(base_url=url, headers=ACCEPT) as client:
        yield client


def apollo(*documents: str) -> dict[str, Any]:
    operations = [{"id": sha256(text.encode()).hexdigest(), "name": "Q", "type": "query", "body": text} for text in documents]
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}


@pytest.mark.parametrize("content", [{sha256(DOCUMENT.encode()).hexdigest(): DOCUMENT}, apollo(DOCUMENT)], ids=["plain", "apollo"])
async def test_with_a_manifest_its_documents_and_no_others_are_carried_out(services: Services, tmp_path: Path, content: Any) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps(content))
    async with trusting(services, manifest) as client:
        for good in ({"extensions": named(DOCUMENT)}, {"query": DOCUMENT}, {"query": DOCUMENT, "extensions": named(DOCUMENT)}):
            assert (await client.post("/graphql", json=good)).json()["data"] == {"__typename": "Query"}
        for bad in (
            {"extensions": named(OTHER)},
            {"query": OTHER},
            {"query": OTHER, "extensions": named(OTHER)},
            {"query": f"{DOCUMENT} "},
        ):
            answer = await client.post("/graphql", json=bad)
            assert (answer.status_code, code(answer.json())) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ("[]", "holds neither"),
        ('{"hash": 7}', "holds neither"),
        ('{"hash": ""}', "holds neither"),
        ('{"format": "apollo-persisted-query-manifest", "version": 2, "operations": []}', "holds neither"),
        ('{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "x"}]}', "holds neither"),
        ('{"format": "apollo-persisted-query-manifest", "version": 1, "operations": 7}', "holds neither"),
    ],
)
def test_a_manifest_that_makes_no_sense_stops_the_start_with_a_line(tmp_path: Path, content: str, complaint: str) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(content)
    with pytest.raises(SettingsError, match=complaint):
        read_manifest(manifest)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_manifest(tmp_path / "missing.json")
