"""The REST API as programs call it, on a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from datastore.database import Database
from tests.gql.api import Api, Person
from tests.resolvers.conftest import contents
from tests.resolvers.key_ring import ALL, LIST, REVOKE, client_of, code_of, connection, make_key, program
from tests.resolvers.shop import make_category, make_product, product_of


def sale(product: dict[str, Any], quantity: int = 1, **values: Any) -> dict[str, Any]:
    """A body that records a sale of one product."""
    return {"items": [{"productId": product["id"], "quantity": quantity}], "paymentMethod": "CASH", **values}


# --- who may ---

CALLS: dict[str, tuple[str, str, Any]] = {
    "GET /sales": ("SALES_READ", "/sales", None),
    "GET /sales/x": ("SALES_READ", "/sales/x", None),
    "POST /sales": ("SALES_WRITE", "/sales", {}),
    "GET /products": ("PRODUCTS_READ", "/products", None),
    "GET /products/x": ("PRODUCTS_READ", "/products/x", None),
    "POST /stock": ("STOCK_WRITE", "/stock", {}),
    "POST /import/products": ("PRODUCTS_WRITE", "/import/products", {}),
    "GET /export/transactions.csv": ("TRANSACTIONS_READ", "/export/transactions.csv", None),
    "GET /export/transactions.jsonl": ("TRANSACTIONS_READ", "/export/transactions.jsonl", None),
    "GET /export/sales.csv": ("SALES_READ", "/export/sales.csv", None),
    "GET /export/sales.jsonl": ("SALES_READ", "/export/sales.jsonl", None),
    "GET /export/products.csv": ("PRODUCTS_READ", "/export/products.csv", None),
    "GET /export/products.jsonl": ("PRODUCTS_READ", "/export/products.jsonl", None),
}


async def test_a_key_is_good_for_its_own_scope_and_for_no_other(api: Api, owner: Person, live_server: str) -> None:
    for scope in ALL:
        async with program(api, live_server, owner, scope) as client:
            for call, (needed, path, body) in CALLS.items():
                method = call.split()[0]
                response = await client.request(method, path, json=body)
                if scope == needed:
                    assert response.status_code not in {401, 403}, (scope, call, response.text)
                    continue
                assert code_of(response, 403) == "FORBIDDEN", (scope, call)
                assert response.headers["www-authenticate"].endswith(f'error="insufficient_scope", scope="{needed}"')
                assert needed in response.json()["detail"]


async def test_every_route_is_in_the_matrix_of_scopes(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()["paths"]
    operations = {
        f"{method.upper()} {path.removeprefix('/api/v1').replace('{id}', 'x')}": operation["x-scope"]
        for path, methods in described.items()
        for method, operation in methods.items()
    }
    assert operations == {call: needed for call, (needed, _, _) in CALLS.items()}


NO_KEYS = [None, "", "Bearer", "Basic YTpi", "tsk_live_x", "Bearer tsk_live_x", "Bearer tsk_live_" + "0" * 39, "Bearer " + "x" * 9000]


async def test_without_a_good_key_nobody_gets_in(live_server: str) -> None:
    async with httpx.AsyncClient(base_url=f"{live_server}/api/v1") as client:
        for authorization in NO_KEYS:
            headers = {} if authorization is None else {"Authorization": authorization}
            for call, (_, path, body) in CALLS.items() if authorization is None else [("GET /sales", CALLS["GET /sales"])]:
                response = await client.request(call.split()[0], path, json=body, headers=headers)
                assert code_of(response, 401) == "UNAUTHENTICATED"
                assert response.headers["www-authenticate"].startswith('Bearer realm="Tillstream"')


async def test_an_access_token_is_no_api_key(owner: Person, live_server: str) -> None:
    async with client_of(live_server, owner.access_token) as client:
        assert code_of(await client.get("/sales"), 401) == "UNAUTHENTICATED"


async def test_a_revoked_key_is_refused_from_then_on(api: Api, owner: Person, live_server: str) -> None:
    made = await make_key(api, owner)
    async with client_of(live_server, made["key"]) as client:
        assert (await client.get("/products")).status_code == 200
        await api.data(REVOKE, {"id": made["apiKey"]["id"]}, caller=owner)
        assert code_of(await client.get("/products"), 401) == "UNAUTHENTICATED"


async def test_the_use_of_a_key_is_seen_by_its_owner(api: Api, owner: Person, live_server: str) -> None:
    async def last_used() -> str | None:
        [node] = (await api.data(LIST, caller=owner))["apiKeys"]["nodes"]
        used: str | None = node["lastUsedAt"]
        return used

    async with program(api, live_server, owner) as client:
        assert await last_used() is None
        before = api.services.clock()
        assert (await client.get("/products")).status_code == 200
    async with asyncio.timeout(5):
        while (used := await last_used()) is None:
            await asyncio.sleep(0.01)
    assert before <= datetime.fromisoformat(used) <= api.services.clock()


async def test_a_key_sees_nothing_of_another_business(api: Api, owner: Person, stranger: Person, live_server: str) -> None:
    product = await make_product(api, owner, "Wintermute", stock=5)
    async with program(api, live_server, owner) as client, program(api, live_server, stranger) as foreign:
        sold = (await client.post("/sales", json=sale(product))).json()
        for path in ("/sales", "/products", "/products?search=wintermute", *(call.split()[1] for call in CALLS if "export" in call)):
            response = await foreign.get(path)
            assert response.status_code == 200
            assert "Wintermute" not in response.text
            assert sold["id"] not in response.text
        assert code_of(await foreign.get(f"/sales/{sold['id']}"), 404) == "NOT_FOUND"
        assert code_of(await foreign.get(f"/products/{product['id']}"), 404) == "NOT_FOUND"
        assert code_of(await foreign.post("/sales", json=sale(product)), 404) == "NOT_FOUND"
        assert code_of(await foreign.post("/stock", json={"productId": product["id"], "delta": -1}), 404) == "NOT_FOUND"


# --- what is answered ---


async def test_a_sale_is_recorded_and_read_again(client: httpx.AsyncClient, api: Api, owner: Person) -> None:
    product = await make_product(api, owner, price="4.50", stock=5, taxRate="19")
    response = await client.post("/sales", json=sale(product, 2, customerName="Grace", soldAt="2026-03-01T12:00:00+01:00"))
    assert response.status_code == 201
    made = response.json()
    assert made["number"] == 1
    assert (made["total"], made["tax"], made["status"], made["soldAt"]) == ("9.00", "1.44", "COMPLETED", "2026-03-01T11:00:00.000Z")
    [item] = made["items"]
    assert (item["productId"], item["quantity"], item["unitPrice"], item["taxRate"]) == (product["id"], 2, "4.50", "19")
    again = await client.get(urlsplit(response.headers["location"]).path.removeprefix("/api/v1"))
    assert again.json() == made
    assert (await client.get("/sales")).json() == {"data": [made], "nextCursor": None}
    after = await product_of(api, owner, product["id"])
    assert after is not None
    assert after["stock"] == 3


async def test_stock_is_changed_and_the_product_answered(client: httpx.AsyncClient, api: Api, owner: Person) -> None:
    category = await make_category(api, owner)
    product = await make_product(api, owner, "Assam", stock=5, cost="2.00", taxRate="10", sku="T-1", categoryId=category["id"])
    changed = (await client.post("/stock", json={"productId": product["id"], "delta": -2, "reason": "Broken"})).json()
    assert changed == (await client.get(f"/products/{product['id']}")).json()
    named = {name: product[name] for name in ("id", "name", "sku", "price", "cost", "currency", "trackStock", "archived", "createdAt")}
    assert changed | named == changed
    assert (changed["stock"], changed["taxRate"], changed["categoryId"]) == (3, "10", category["id"])
    assert code_of(await client.post("/stock", json={"productId": product["id"], "delta": -9}), 409) == "CONFLICT"


async def test_lists_are_read_page_by_page_by_their_links(client: httpx.AsyncClient, api: Api, owner: Person) -> None:
    for number in range(5):
        await make_product(api, owner, f"Tea {number}", stock=9)
    names, path = [], "/products?limit=2&search=tea"
    while path:
        response = await client.get(path)
        page = response.json()
        names += [product["name"] for product in page["data"]]
        link = response.links.get("next", {}).get("url", "")
        assert bool(link) == (page["nextCursor"] is not None)
        path = link.removeprefix("/api/v1")
    assert names == [f"Tea {number}" for number in range(5)]


async def test_lists_are_narrowed_as_in_graphql(client: httpx.AsyncClient, api: Api, owner: Person) -> None:
    tea = await make_product(api, owner, "Tea", stock=1, lowStockThreshold=2)
    cake = await make_product(api, owner, "Cake", stock=10)
    await client.post("/sales", json=sale(cake, soldAt="2026-03-01T12:00:00Z"))
    await client.post("/sales", json=sale(cake, 2, soldAt="2026-04-01T12:00:00Z", paymentMethod="CARD", customerName="Grace"))

    async def numbers(query: str) -> list[int]:
        return [one["number"] for one in (await client.get(f"/sales?{query}")).json()["data"]]

    assert await numbers("") == [2, 1]
    assert await numbers("from=2026-03-15") == [2]
    assert await numbers("to=2026-03-15&from=2026-03-01") == [1]
    assert await numbers("paymentMethod=CARD&status=COMPLETED") == [2]
    assert await numbers("search=grace") == [2]
    listed = (await client.get("/products?lowStock=true")).json()["data"]
    assert [product["id"] for product in listed] == [tea["id"]]
    assert (await client.get("/products?archived=true")).json()["data"] == []


# --- sent again ---


async def test_a_repeated_post_is_carried_out_once(client: httpx.AsyncClient, api: Api, owner: Person) -> None:
    product = await make_product(api, owner, stock=5)
    key = {"Idempotency-Key": "till-1-0001"}
    first = await client.post("/sales", json=sale(product), headers=key)
    again = await client.post("/sales", json=sale(product), headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert code_of(await client.post("/sales", json=sale(product, 2), headers=key), 409) == "CONFLICT"
    assert len((await client.get("/sales")).json()["data"]) == 1


async def test_repeats_that_come_at_once_are_carried_out_once(client: httpx.AsyncClient, api: Api, owner: Person) -> None:
    product = await make_product(api, owner, stock=5)
    body, key = {"productId": product["id"], "delta": 1}, {"Idempotency-Key": "k"}
    answers = await asyncio.gather(*(client.post("/stock", json=body, headers=key) for _ in range(5)))
    assert {answer.json()["stock"] for answer in answers} == {6}


async def test_two_keys_do_not_share_their_idempotency_keys(api: Api, owner: Person, live_server: str) -> None:
    product = await make_product(api, owner, stock=5)
    for expected in (6, 7):
        async with program(api, live_server, owner) as client:
            answer = await client.post("/stock", json={"productId": product["id"], "delta": 1}, headers={"Idempotency-Key": "k"})
            assert answer.json()["stock"] == expected


async def test_a_malformed_idempotency_key_is_refused(client: httpx.AsyncClient) -> None:
    for key in (b"", b"a b", "é".encode(), b"x" * 256):
        answer = await client.post("/stock", json={"productId": "x", "delta": 1}, headers={b"Idempotency-Key": key})
        assert code_of(answer, 422) == "INVALID_INPUT"


# --- what is wrong with a request ---

MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"a": "\xff"}',
    "a lone surrogate": b'{"note": "\\ud800"}',
    "too deep": b"[" * 100_000,
    "deep and closed": b'{"items":' + b"[" * 200 + b"]" * 200 + b"}",
    "a name twice": b'{"paymentMethod": "CASH", "paymentMethod": "CARD"}',
    "an endless number": b'{"items": 1' + b"0" * 400 + b"}",
    "not a number": b'{"items": NaN}',
}


async def test_malformed_json_is_refused(client: httpx.AsyncClient) -> None:
    for name, body in MALFORMED.items():
        response = await client.post("/sales", content=body, headers={"Content-Type": "application/json"})
        assert code_of(response, 400) == "INVALID_INPUT", name


WRONG_FIELDS: list[tuple[Any, list[str]]] = [
    (None, ["body"]),
    ([], ["body"]),
    (7, ["body"]),
    ({"items": None}, ["items"]),
    ({"items": []}, ["items"]),
    ({"items": [{}] * 201}, ["items.0.productId", "items.0.quantity"]),
    ({"items": {"productId": "x"}}, ["items"]),
    ({"paymentMethod": "cash"}, ["paymentMethod"]),
    ({"paymentMethod": 1}, ["paymentMethod"]),
    ({"discount": 1.5}, ["discount"]),
    ({"discount": "1e5"}, ["discount"]),
    ({"discount": "-1"}, ["discount"]),
    ({"discount": "0.001"}, ["discount"]),
    ({"discount": "1" + "0" * 400}, ["discount"]),
    ({"soldAt": "yesterday"}, ["soldAt"]),
    ({"soldAt": "2026-01-01T00:00:00"}, ["soldAt"]),
    ({"soldAt": "1999-12-31T00:00:00Z"}, ["soldAt"]),
    ({"soldAt": "2999-12-31T00:00:00Z"}, ["soldAt"]),
    ({"soldAt": "0001-01-01T00:00:00+23:59"}, ["soldAt"]),
    ({"soldAt": "9999-12-31T23:59:59-23:59"}, ["soldAt"]),
    ({"note": "a\u0000b"}, ["note"]),
    ({"note": "x" * 5001}, ["note"]),
    ({"customerEmail": "nobody"}, ["customerEmail"]),
    ({"customer_name": "Grace"}, ["customer_name"]),
    ({"total": "1.00"}, ["total"]),
]


async def test_a_wrong_field_is_named(client: httpx.AsyncClient, api: Api, owner: Person, database: Database) -> None:
    product = await make_product(api, owner, stock=5)
    before = await contents(database)
    for change, paths in WRONG_FIELDS:
        body = json.dumps({**sale(product), **change} if isinstance(change, dict) else change)
        response = await client.post("/sales", content=body, headers={"Content-Type": "application/json"})
        assert code_of(response, 422) == "INVALID_INPUT", change
        named = [field["path"] for field in response.json()["fields"]]
        assert named[: len(paths)] == paths
    after = await contents(database)
    del before["api_keys"], after["api_keys"]  # their use is noted
    assert after == before


WRONG_ITEMS: list[dict[str, Any]] = [
    {"quantity": 0},
    {"quantity": -1},
    {"quantity": 1.5},
    {"quantity": "1"},
    {"quantity": True},
    {"quantity": 10**18},
    {"quantity": 10**30},
    {"unitPrice": 4},
    {"a": 1},
]


async def test_a_wrong_item_is_named(client: httpx.AsyncClient, api: Api, owner: Person) -> None:
    product = await make_product(api, owner, stock=5)
    for item in WRONG_ITEMS:
        response = await client.post(
            "/sales", json={"paymentMethod": "CASH", "items": [{"productId": product["id"], "quantity": 1, **item}]}
        )
        assert code_of(response, 422) == "INVALID_INPUT"
        assert response.json()["fields"][0]["path"] == f"items.0.{next(iter(item))}"


async def test_what_is_not_there_is_named_by_its_place_in_the_body(client: httpx.AsyncClient, api: Api, owner: Person) -> None:
    product = await make_product(api, owner, stock=1)
    gone = "prd_" + "0" * 26
    response = await client.post("/sales", json=sale({"id": gone}))
    assert code_of(response, 404) == "NOT_FOUND"
    assert response.json()["detail"] == "items.0.productId: there is no such product."
    response = await client.post("/sales", json=sale({"id": "nonsense"}))
    assert code_of(response, 422) == "INVALID_INPUT"
    assert [field["path"] for field in response.json()["fields"]] == ["items.0.productId"]
    assert code_of(await client.post("/sales", json=sale(product, 2)), 409) == "CONFLICT"
    for path in ("/sales/x", f"/sales/{gone}", "/products/%00", "/products/sal_" + "0" * 26):
        assert code_of(await client.get(path), 422) == "INVALID_INPUT"
    assert code_of(await client.get(f"/products/{gone}"), 404) == "NOT_FOUND"


WRONG_PARAMETERS = [
    "limit=0",
    "limit=101",
    "limit=x",
    "limit=1" + "0" * 400,
    "limit=1.5",
    "limit=",
    "cursor=x",
    "cursor=" + "x" * 10_000,
    "from=yesterday",
    "from=1700000000",
    "from=2026-13-01",
    "from=2026-02-01&to=2026-01-01",
    "status=DONE",
    "status=COMPLETED&search=x",
    "search=" + "x" * 201,
    "search=%00",
    "search=",
    "unknown=1",
    "limit=1&limit=2",
    "paymentMethod=cash",
]


async def test_a_wrong_parameter_is_refused(client: httpx.AsyncClient) -> None:
    for query in WRONG_PARAMETERS:
        assert code_of(await client.get(f"/sales?{query}"), 422) == "INVALID_INPUT", query


async def test_a_malformed_query_string_is_refused(client: httpx.AsyncClient) -> None:
    for query in [b"search=%ff", b"search=%ed%a0%80", b"&".join(b"a%d=1" % number for number in range(40))]:
        assert code_of(await client.get(httpx.URL(f"{client.base_url}sales", query=query)), 400) == "INVALID_INPUT"


OTHER_TYPES: list[dict[str, str]] = [
    {},
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/json;charset=utf-16"},
    {"Content-Type": "application/json", "Content-Encoding": "gzip"},
]


async def test_a_body_of_another_type_is_refused(client: httpx.AsyncClient) -> None:
    for headers in OTHER_TYPES:
        for path in ("/sales", "/import/products"):
            assert code_of(await client.post(path, content=b"{}", headers=headers), 415) == "INVALID_INPUT"


async def test_a_body_that_is_too_long_is_refused_by_its_length_or_as_it_comes(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    headers = {"Content-Type": "application/json"}
    for content in (b" " * (1 << 21), pieces()):
        assert code_of(await client.post("/sales", content=content, headers=headers), 413) == "INVALID_INPUT"


async def test_methods_that_an_address_has_not_are_refused_and_told(client: httpx.AsyncClient) -> None:
    for method in ("PUT", "PATCH", "DELETE", "TRACE"):
        response = await client.request(method, "/sales")
        assert code_of(response, 405) == "INVALID_INPUT"
        assert response.headers["allow"] == "GET, POST, HEAD, OPTIONS"
    response = await client.options("/stock")
    assert (response.status_code, response.headers["allow"], response.content) == (204, "POST, OPTIONS", b"")
    assert code_of(await client.get("/stock"), 405) == "INVALID_INPUT"


async def test_head_answers_as_get_without_the_body(client: httpx.AsyncClient) -> None:
    for path in ("/products", "/export/products.csv"):
        head, got = await client.head(path), await client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]


async def test_an_address_that_there_is_not_is_a_problem_too(client: httpx.AsyncClient, live_server: str) -> None:
    for url in (f"{live_server}/api/v1/nothing", f"{live_server}/api/v2/sales", f"{live_server}/api/v1/sales/a/b", f"{live_server}/api/"):
        assert code_of(await client.get(url), 404) == "NOT_FOUND"


async def test_a_client_that_leaves_in_the_middle_of_its_body_does_no_harm(
    client: httpx.AsyncClient, api: Api, owner: Person, live_server: str
) -> None:
    product = await make_product(api, owner, stock=5)
    key = (await make_key(api, owner))["key"]
    body = json.dumps({"productId": product["id"], "delta": 1}).encode()
    head = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    for ending in (b"", body[:-1]):
        async with connection(live_server, "POST", "/stock", key, head) as (reader, writer):
            writer.write(ending)
            writer.write_eof()
            assert await asyncio.wait_for(reader.read(), 5) == b""
    changed = await client.post("/stock", json={"productId": product["id"], "delta": 1})
    assert changed.json()["stock"] == 6
