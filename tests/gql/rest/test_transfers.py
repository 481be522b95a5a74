"""Imports and exports over HTTP, on a real server."""

import asyncio
import csv
import gzip
import io
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from datastore import row_streams
from datastore.embedded import MongoServer
from gql.rest import downloads
from gql.rest.downloads import takes_gzip
from resolvers import routes
from tests.datastore.failpoints import failing
from tests.datastore.samples import stored
from tests.gql.api import Api, Person
from tests.resolvers.key_ring import REVOKE, client_of, code_of, connection, make_key
from tests.resolvers.ledgers import entry, keep_ledger
from tests.resolvers.shop import make_category, make_product

CSV = {"Content-Type": "text/csv; charset=utf-8"}
JSON_LINES = {"Content-Type": "application/jsonl"}
UPSERT = "/import/products?mode=skip-bad"


def table(response: httpx.Response) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.text, newline=""), strict=True))


# --- exports ---


async def test_the_ledger_is_exported_whole_in_both_formats(client: httpx.AsyncClient, api: Api, owner: Person, stranger: Person) -> None:
    rows = await keep_ledger(api.services.database, owner, 1200)
    await keep_ledger(api.services.database, stranger, 10)
    response = await client.get("/export/transactions.csv")
    assert response.headers["content-disposition"] == 'attachment; filename="transactions.csv"'
    found = table(response)
    assert [row["id"] for row in found] == [row.id for row in rows]
    assert found[0] == {
        "id": rows[0].id,
        "occurredOn": "2026-01-01",
        "occurredAt": "2026-01-01T00:00:00.000Z",
        "kind": "SALE",
        "amount": "-0.05",
        "currency": "EUR",
        "description": "Entry 0",
        "sourceId": "",
        "reversesId": "",
        "createdAt": "2026-01-01T00:00:00.000Z",
    }
    lines = (await client.get("/export/transactions.jsonl")).text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [row.id for row in rows]
    narrowed = table(await client.get("/export/transactions.csv?from=2026-01-02&to=2026-01-02&kind=SALE"))
    assert [row["id"] for row in narrowed] == [row.id for row in rows[24:48:2]]


async def test_an_export_of_nothing_is_a_header_alone(client: httpx.AsyncClient) -> None:
    for name in ("transactions", "sales", "products"):
        response = await client.get(f"/export/{name}.csv?bom=true")
        assert response.content.startswith(b"\xef\xbb\xbfid,")
        assert response.content.count(b"\r\n") == 1
        assert (await client.get(f"/export/{name}.jsonl")).content == b""


async def test_an_export_is_compressed_for_who_takes_that(client: httpx.AsyncClient, api: Api, owner: Person) -> None:
    await keep_ledger(api.services.database, owner, 1200)
    plain = await client.get("/export/transactions.csv", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    async with client.stream("GET", "/export/transactions.csv", headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["content-encoding"] == "gzip"
        raw = b"".join([piece async for piece in response.aiter_raw()])
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 3


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("", False),
        ("gzip", True),
        ("br, GZIP ; q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*", True),
        ("*;q=0", False),
        (",;,", False),
    ],
)
def test_gzip_is_taken_by_who_says_so(accepted: str, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


async def test_an_export_is_of_one_moment_while_rows_are_written(
    client: httpx.AsyncClient, api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_streams, "BATCH", 50)
    rows = await keep_ledger(api.services.database, owner, 5000)
    done = asyncio.Event()

    async def write() -> int:
        written = 0
        while not done.is_set():
            await stored(api.services.database, entry(owner, written * 7))
            written += 1
        return written

    writing = asyncio.create_task(write())
    try:
        found = table(await client.get("/export/transactions.csv"))
    finally:
        done.set()
    assert await writing > 1
    ids = [row["id"] for row in found]
    assert len(set(ids)) == len(ids)
    # Those that were there before it began are all in it; what came after it began is not.
    assert {row.id for row in rows} <= set(ids)
    assert len(ids) < len(rows) + await writing


async def test_a_client_that_leaves_stops_the_reading(
    client: httpx.AsyncClient, api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch, live_server: str
) -> None:
    """Backpressure: the client takes one piece, so that the server stops after what the buffers hold; gone, it is read no further."""
    await keep_ledger(api.services.database, owner, 20_000)
    made, ended = 0, asyncio.Event()
    stream_rows = row_streams.stream_rows

    async def counted(*arguments: object, **named: object) -> AsyncIterator[object]:
        nonlocal made
        try:
            async for batch in stream_rows(*arguments, **named):  # type: ignore[arg-type, var-annotated]
                made += 1
                yield batch
        finally:
            ended.set()

    monkeypatch.setattr("resolvers.exports.stream_rows", counted)
    key = (await make_key(api, owner))["key"]
    async with connection(live_server, "GET", "/export/transactions.jsonl", key) as (reader, _):
        await reader.readline()
        assert not ended.is_set()
    await asyncio.wait_for(ended.wait(), 5)
    assert made < 40


async def test_a_client_that_takes_nothing_is_cut_off(api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch, live_server: str) -> None:
    monkeypatch.setattr(downloads, "STALLED_SECONDS", 0.2)
    ended = asyncio.Event()

    async def endless(*_arguments: object, **_named: object) -> AsyncIterator[object]:
        try:
            while True:
                yield [entry(owner, number, description="x" * 20_000) for number in range(10)]
        finally:
            ended.set()

    monkeypatch.setattr("resolvers.exports.stream_rows", endless)
    key = (await make_key(api, owner))["key"]
    async with connection(live_server, "GET", "/export/transactions.jsonl", key) as (reader, _):
        assert b" 200 " in await reader.readline()
        assert not ended.is_set()
        assert await asyncio.wait_for(ended.wait(), 5)


async def test_an_export_that_fails_is_seen_to_be_cut_off(
    client: httpx.AsyncClient, api: Api, owner: Person, mongod: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with failing(mongod.uri, "find", errorCode=50):
        assert code_of(await client.get("/export/products.csv"), 503) == "UNAVAILABLE"
    monkeypatch.setattr(row_streams, "BATCH", 100)
    rows = [entry(owner, number, description="x" * 5_000) for number in range(4_000)]
    for first in range(0, 4_000, 500):
        await stored(api.services.database, *rows[first : first + 500])
    async with client.stream("GET", "/export/transactions.jsonl") as response:
        pieces = response.aiter_raw()
        await anext(pieces)
        async with failing(mongod.uri, "find", errorCode=50):
            with pytest.raises(httpx.RemoteProtocolError):
                async for _ in pieces:
                    pass


async def test_a_key_that_is_revoked_ends_what_it_exports(
    api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch, live_server: str
) -> None:
    monkeypatch.setattr(routes, "RECHECKED_SECONDS", 0.0)
    monkeypatch.setattr(row_streams, "BATCH", 100)
    rows = [entry(owner, number, description="x" * 5_000) for number in range(4_000)]
    for first in range(0, 4_000, 500):
        await stored(api.services.database, *rows[first : first + 500])
    made = await make_key(api, owner)
    async with client_of(live_server, made["key"]) as client, client.stream("GET", "/export/transactions.jsonl") as response:
        pieces = response.aiter_raw()
        await anext(pieces)
        await api.data(REVOKE, {"id": made["apiKey"]["id"]}, caller=owner)
        with pytest.raises(httpx.RemoteProtocolError):
            async for _ in pieces:
                pass


# --- imports ---


async def test_a_table_is_imported_and_its_report_answered(client: httpx.AsyncClient) -> None:
    content = "\ufeffName;SKU;Price;Stock\r\nTea;T-1;4.50;3\r\nCake;C-1;3.00;\r\n"
    response = await client.post("/import/products", content=content.encode(), headers=CSV)
    assert response.status_code == 200, response.text
    assert response.json() == {"rows": 2, "created": 2, "updated": 0, "unchanged": 0, "failed": 0, "problems": []}
    lines = '{"sku": "T-1", "price": "5.00"}\n{"sku": "C-1", "price": "3.00"}\n'
    response = await client.post("/import/products", content=lines, headers=JSON_LINES)
    assert response.json() | {"updated": 1, "unchanged": 1, "created": 0} == response.json()
    products = (await client.get("/products")).json()["data"]
    assert [(product["name"], product["price"], product["stock"]) for product in products] == [("Cake", "3.00", 0), ("Tea", "5.00", 3)]


async def test_an_export_of_products_can_be_imported_again(
    client: httpx.AsyncClient, api: Api, owner: Person, stranger: Person, live_server: str
) -> None:
    category = await make_category(api, owner, "=Tea")
    await make_category(api, stranger, "=Tea")
    await make_product(api, owner, "+Assam", sku="-1", categoryId=category["id"], description="two\nlines", stock=3, taxRate="7")
    await make_product(api, owner, "Cake", barcode="'=", trackStock=False)
    for name, headers in (("products.csv", CSV), ("products.jsonl", JSON_LINES)):
        exported = await client.get(f"/export/{name}")
        again = await client.post("/import/products", content=exported.content, headers=headers)
        # What has no SKU is not found again.
        assert again.json() | {"unchanged": 1, "failed": 0} == again.json()
    exported = await client.get("/export/products.csv")
    async with client_of(live_server, (await make_key(api, stranger))["key"]) as foreign:
        assert (await foreign.post("/import/products", content=exported.content, headers=CSV)).json()["created"] == 5
        copied = table(await foreign.get("/export/products.csv"))
    kept = ("name", "sku", "description", "barcode", "category", "price", "stock", "taxRate", "trackStock")
    assert [[row[name] for name in kept] for row in copied] == [[row[name] for name in kept] for row in table(exported)]


async def test_bad_rows_are_answered_with_the_report(client: httpx.AsyncClient) -> None:
    content = "name,price\nTea,1\nCake,x\n"
    response = await client.post("/import/products", content=content, headers=CSV)
    assert code_of(response, 422) == "INVALID_INPUT"
    problem = response.json()
    [bad] = problem["report"]["problems"]
    assert (bad["row"], bad["column"]) == (3, "price")
    assert problem["fields"] == [{"path": "row 3.price", "message": bad["message"]}]
    assert (await client.get("/products")).json()["data"] == []
    response = await client.post(UPSERT, content=content, headers=CSV)
    assert response.json() | {"rows": 2, "created": 1, "failed": 1, "problems": [bad]} == response.json()


async def test_a_table_that_cannot_be_read_is_refused(client: httpx.AsyncClient) -> None:
    broken = {
        "": "row 1",
        "size\n1": "row 1",
        'name\n"Tea': "row 2",
        "name,price\nTea,1\n" + "x" * 70_000: "row 3",
        "name\n\udcff": "row 2",
    }
    for content, path in broken.items():
        response = await client.post("/import/products", content=content.encode("utf-8", "surrogateescape"), headers=CSV)
        assert code_of(response, 422) == "INVALID_INPUT"
        assert [field["path"] for field in response.json()["fields"]] == [path]
    for query in ("mode=some", "upsert=maybe", "unknown=1"):
        assert code_of(await client.post(f"/import/products?{query}", content=b"name\n", headers=CSV), 422) == "INVALID_INPUT"


async def test_a_row_of_a_gigabyte_is_refused_when_it_is_too_long(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b"name,price\n"
        while sent < 1 << 24:
            sent += 1 << 20
            yield b"x" * (1 << 20)

    assert code_of(await client.post("/import/products", content=endless(), headers=CSV), 422) == "INVALID_INPUT"


async def test_a_body_that_says_it_is_too_long_is_not_read(api: Api, owner: Person, live_server: str) -> None:
    key = (await make_key(api, owner))["key"]
    for length in (1 << 30, "9" * 400):
        head = {"Content-Type": "text/csv", "Content-Length": str(length)}
        async with connection(live_server, "POST", "/import/products", key, head) as (reader, _):
            assert (await reader.readline()).split()[1] in {b"413", b"400"}


async def test_a_repeated_import_is_carried_out_once(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resolvers.product_import.BATCH", 2)
    content, key = "name,price\n" + "".join(f"Tea {number},1\n" for number in range(5)), {"Idempotency-Key": "import-1"}
    first = await client.post(UPSERT, content=content, headers={**CSV, **key})
    again = await client.post(UPSERT, content=content, headers={**CSV, **key})
    assert first.json()["created"] == 5
    assert again.json() == first.json()
    assert len((await client.get("/products")).json()["data"]) == 5
    other = await client.post("/import/products", content="name,price\nCake,1\n", headers={**CSV, **key})
    assert code_of(other, 409) == "CONFLICT"


async def test_an_import_whose_client_leaves_has_whole_transactions_and_no_more(
    client: httpx.AsyncClient, api: Api, owner: Person, live_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.product_import.BATCH", 2)
    key = (await make_key(api, owner))["key"]

    async def names() -> list[str]:
        return [product["name"] for product in (await client.get("/products")).json()["data"]]

    head = {"Content-Type": "text/csv", "Content-Length": "9999"}
    async with connection(live_server, "POST", UPSERT, key, head) as (reader, writer):
        writer.write(b"name,price\nTea 1,1\nTea 2,1\nTea 3,1\n")
        async with asyncio.timeout(5):
            while not await names():
                await asyncio.sleep(0.01)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 5) == b""
    assert await names() == ["Tea 1", "Tea 2"]


async def test_a_body_that_does_not_go_on_is_given_up(api: Api, owner: Person, live_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gql.rest.requests.STALLED_SECONDS", 0.1)
    key = (await make_key(api, owner))["key"]
    for path, media_type in (("/import/products", "text/csv"), ("/sales", "application/json")):
        head = {"Content-Type": media_type, "Content-Length": "100"}
        async with connection(live_server, "POST", path, key, head) as (reader, _):
            answer = await asyncio.wait_for(reader.read(), 5)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"UNAVAILABLE" in answer
