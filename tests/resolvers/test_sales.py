import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datastore.database import Database
from resolvers.verify import verify
from tests.commands import Commands
from tests.gql.api import Api, Person
from tests.resolvers.conftest import Unchanged
from tests.resolvers.shop import make_product, problems, product_of
from tests.resolvers.till import RECORD_SALE, SALE, entries, line, order, refusal, sale_of, sell

SETTINGS = "mutation ($input: UpdateSettingsInput!) { updateSettings(input: $input) { id } }"
MOVEMENTS = "query ($id: ID!) { stockMovements(productId: $id) { nodes { delta stockAfter reason } } }"
MISSING = "prd_01J0000000000000000000000A"


async def put_settings(api: Api, owner: Person, **values: Any) -> None:
    await api.data(SETTINGS, {"input": values}, caller=owner)


async def stock_of(api: Api, owner: Person, product: dict[str, Any]) -> int:
    found = await product_of(api, owner, product["id"])
    assert found is not None
    stock: int = found["stock"]
    return stock


async def test_a_sale_is_priced_by_the_server_and_kept_as_it_was(api: Api, owner: Person, database: Database) -> None:
    await put_settings(api, owner, taxRate="19", currency="EUR")
    tea = await make_product(api, owner, "Assam", "5.95", sku="A-1", cost="2.00", stock=10)
    book = await make_product(api, owner, "Poems", "10.70", taxRate="7", stock=1)
    made = await sell(
        api,
        owner,
        line(tea, 3, discount="1.00"),
        line(book, unitPrice="10.00"),
        discount="0.50",
        paymentMethod="CARD",
        customerName=" Grace ",
        customerEmail="Grace@Example.org",
        note="Gift\nwrapped",
    )
    expected = {
        "number": 1,
        "status": "COMPLETED",
        "currency": "EUR",
        "pricesIncludeTax": True,
        "subtotal": "27.85",
        "discount": "1.50",
        "tax": "3.28",
        "total": "26.35",
        "refunded": "0.00",
        "paymentMethod": "CARD",
        "paymentStatus": "PAID",
        "customerName": "Grace",
        "customerEmail": "grace@example.org",
        "note": "Gift\nwrapped",
        "soldAt": made["createdAt"],
        "soldOn": made["createdAt"][:10],
        "soldBy": {"userId": owner.user_id, "name": "Ada Lovelace", "role": "OWNER"},
        "voidedAt": None,
        "voidReason": "",
        "refunds": [],
    }
    assert {name: made[name] for name in expected} == expected
    first, second = made["items"]
    of_first = {"name": "Assam", "sku": "A-1", "quantity": 3, "currency": "EUR", "unitPrice": "5.95", "discount": "1.31"}
    of_first |= {"tax": "2.64", "taxRate": "19", "total": "16.54", "refundedQuantity": 0, "refunded": "0.00", "product": {"id": tea["id"]}}
    assert first == of_first | {"id": first["id"]}
    assert {name: second[name] for name in ("unitPrice", "discount", "taxRate", "tax", "total")} == {
        "unitPrice": "10.00",
        "discount": "0.19",
        "taxRate": "7",
        "tax": "0.64",
        "total": "9.81",
    }
    await put_settings(api, owner, taxRate="0", pricesIncludeTax=False)
    await api.data('mutation ($id: ID!) { updateProduct(input: {id: $id, name: "x", price: "1"}) { id } }', {"id": tea["id"]}, caller=owner)
    assert await sale_of(api, owner, made["id"]) == made
    assert await entries(api, owner) == [("SALE", "26.35", "Sale 1")]
    assert (await verify(database)).findings == ()


async def test_tax_comes_on_top_where_prices_exclude_it(api: Api, owner: Person) -> None:
    await put_settings(api, owner, taxRate="8.875", pricesIncludeTax=False)
    tea = await make_product(api, owner, price="10.00", stock=5)
    made = await sell(api, owner, line(tea, 2), discount="1.00")
    assert (made["subtotal"], made["discount"], made["tax"], made["total"]) == ("20.00", "1.00", "1.69", "20.69")


async def test_a_currency_without_decimals_is_counted_in_whole_units(api: Api, owner: Person) -> None:
    await put_settings(api, owner, taxRate="10", currency="JPY")
    tea = await make_product(api, owner, price="450", stock=5)
    made = await sell(api, owner, line(tea, 3), discount="1")
    assert (made["tax"], made["total"]) == ("123", "1349")
    assert problems(await api.execute(RECORD_SALE, order(line(tea, unitPrice="1.50")), caller=owner)) == ["input.items.0.unitPrice"]


async def test_a_sale_takes_its_pieces_from_the_stock(api: Api, owner: Person, database: Database) -> None:
    tea = await make_product(api, owner, "Assam", stock=5, cost="1")
    cup = await make_product(api, owner, "Cup", trackStock=False)
    made = await sell(api, owner, line(tea, 2), line(cup, 7), line(tea, 3))
    assert (await stock_of(api, owner, tea), await stock_of(api, owner, cup)) == (0, 0)
    nodes = (await api.data(MOVEMENTS, {"id": tea["id"]}, caller=owner))["stockMovements"]["nodes"]
    assert nodes[0] == {"delta": -5, "stockAfter": 0, "reason": f"Sale {made['number']}"}
    assert (await api.data(MOVEMENTS, {"id": cup["id"]}, caller=owner))["stockMovements"]["nodes"] == []
    assert (await verify(database)).findings == ()


async def test_what_is_not_there_cannot_be_sold(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    tea = await make_product(api, owner, "Assam", stock=4)
    async with nothing_written():
        answer = await api.execute(RECORD_SALE, order(line(tea, 2), line(tea, 3)), caller=owner)
    assert refusal(answer) == ("CONFLICT", "Only 4 of “Assam” are in stock.")


async def test_an_archived_product_is_not_for_sale(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    tea = await make_product(api, owner, "Assam", stock=4)
    await api.data("mutation ($id: ID!) { archiveProduct(id: $id) { id } }", {"id": tea["id"]}, caller=owner)
    async with nothing_written():
        assert refusal(await api.execute(RECORD_SALE, order(line(tea)), caller=owner)) == (
            "CONFLICT",
            "“Assam” is archived, and not for sale.",
        )


async def test_a_product_that_was_sold_is_archived_and_not_deleted(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    tea = await make_product(api, owner, "Assam", stock=4)
    await sell(api, owner, line(tea))
    async with nothing_written():
        answer = await api.execute("mutation ($id: ID!) { deleteProduct(id: $id) { id } }", {"id": tea["id"]}, caller=owner)
    assert refusal(answer) == ("CONFLICT", "“Assam” was sold; archive it instead.")


async def test_the_currency_cannot_change_after_a_sale(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    await sell(api, owner, line(await make_product(api, owner, stock=1)))
    async with nothing_written():
        assert await api.code(SETTINGS, {"input": {"currency": "EUR"}}, caller=owner) == "CONFLICT"


BIG = "10000000000000.00"
"""The largest amount in a currency of two decimals."""


@pytest.mark.parametrize(
    ("item", "values", "path"),
    [
        ({"quantity": 0}, {}, "input.items.0.quantity"),
        ({"quantity": -1}, {}, "input.items.0.quantity"),
        ({"quantity": 0.5}, {}, "input.items.0.quantity"),
        ({"quantity": "1"}, {}, "input.items.0.quantity"),
        ({"quantity": 10**12 + 1}, {}, "input.items.0.quantity"),
        ({"quantity": None}, {}, "input.items.0.quantity"),
        ({"quantity": 10**12, "unitPrice": BIG}, {}, "input.items.0"),
        ({"unitPrice": "-0.01"}, {}, "input.items.0.unitPrice"),
        ({"unitPrice": 4.5}, {}, "input.items.0.unitPrice"),
        ({"unitPrice": "10000000000000.01"}, {}, "input.items.0.unitPrice"),
        ({"unitPrice": "0.001"}, {}, "input.items.0.unitPrice"),
        ({"discount": "4.51"}, {}, "input.items.0.discount"),
        ({"discount": "-0.01"}, {}, "input.items.0.discount"),
        ({"discount": "0.001"}, {}, "input.items.0.discount"),
        ({"productId": "sal_01J0000000000000000000000A"}, {}, "input.items.0.productId"),
        ({"productId": "\0"}, {}, "input.items.0.productId"),
        ({"productId": 7}, {}, "input.items.0.productId"),
        ({}, {"discount": "4.51"}, "input.discount"),
        ({"discount": "4.50"}, {"discount": "0.01"}, "input.discount"),
        ({}, {"discount": "-1"}, "input.discount"),
        ({}, {"items": []}, "input.items"),
        ({}, {"items": None}, "input.items"),
        ({}, {"paymentMethod": "BARTER"}, "input.paymentMethod"),
        ({}, {"paymentMethod": None}, "input.paymentMethod"),
        ({}, {"customerName": "x" * 201}, "input.customerName"),
        ({}, {"customerName": ""}, "input.customerName"),
        ({}, {"customerEmail": "nobody"}, "input.customerEmail"),
        ({}, {"note": "\ud800"}, "input.note"),
        ({}, {"note": "x" * 5001}, "input.note"),
        ({}, {"soldAt": "1999-12-31T23:59:59Z"}, "input.soldAt"),
        ({}, {"soldAt": "2200-01-01T00:00:00Z"}, "input.soldAt"),
        ({}, {"soldAt": "0001-01-01T00:00:00Z"}, "input.soldAt"),
        ({}, {"soldAt": "2026-11-24"}, "input.soldAt"),
    ],
)
async def test_a_bad_sale_is_refused_by_name(
    api: Api, owner: Person, nothing_written: Unchanged, item: dict[str, Any], values: dict[str, Any], path: str
) -> None:
    tea = await make_product(api, owner, price="4.50", trackStock=False)
    async with nothing_written():
        assert problems(await api.execute(RECORD_SALE, order({"productId": tea["id"], "quantity": 1} | item, **values), caller=owner)) == [
            path
        ]


async def test_a_bad_line_is_named_by_its_place(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    tea = await make_product(api, owner, stock=9)
    lines = [line(tea), line(tea), line(tea), line(tea, 0)]
    async with nothing_written():
        assert problems(await api.execute(RECORD_SALE, order(*lines), caller=owner)) == ["input.items.3.quantity"]
        document = (
            f'mutation {{ recordSale(input: {{paymentMethod: CASH, items: [{{productId: "{tea["id"]}", quantity: 1.5}}]}}) {{ id }} }}'
        )
        assert problems(await api.execute(document, caller=owner)) == ["input.items.0.quantity"]


async def test_a_sale_has_at_most_200_items(api: Api, owner: Person, nothing_written: Unchanged, database: Database) -> None:
    tea = await make_product(api, owner, price="0.01", stock=300)
    async with nothing_written():
        assert problems(await api.execute(RECORD_SALE, order(*[line(tea)] * 201), caller=owner)) == ["input.items"]
    made = await sell(api, owner, *[line(tea, unitPrice=f"0.{cents % 100:02}") for cents in range(200)])
    assert [item["unitPrice"] for item in made["items"]] == [f"0.{cents % 100:02}" for cents in range(200)]
    assert await sale_of(api, owner, made["id"]) == made
    assert await stock_of(api, owner, tea) == 100
    assert (await verify(database)).findings == ()


async def test_nothing_of_another_business_can_be_sold(api: Api, owner: Person, stranger: Person, nothing_written: Unchanged) -> None:
    mine, theirs = await make_product(api, owner, stock=1), await make_product(api, stranger, stock=1)
    async with nothing_written():
        answer = await api.execute(RECORD_SALE, order(line(mine), line(theirs)), caller=owner)
        assert refusal(answer) == ("NOT_FOUND", "input.items.1.productId: there is no such product.")
        assert await api.code(RECORD_SALE, order(line({"id": MISSING})), caller=owner) == "NOT_FOUND"
        assert await api.code(RECORD_SALE, order(line(mine))) == "UNAUTHENTICATED"
    sold = await sell(api, stranger, line(theirs))
    assert await sale_of(api, owner, sold["id"]) is None
    assert await api.data("{ sales { nodes { id } } saleByNumber(number: 1) { id } }", caller=owner) == {
        "sales": {"nodes": []},
        "saleByNumber": None,
    }


async def test_the_largest_amounts_are_sold_and_beyond_them_nothing(
    api: Api, owner: Person, nothing_written: Unchanged, database: Database
) -> None:
    await put_settings(api, owner, pricesIncludeTax=False)
    gold = await make_product(api, owner, "Gold", BIG, trackStock=False, taxRate="0")
    for _ in range(3):
        assert (await sell(api, owner, line(gold)))["total"] == BIG
    async with nothing_written():
        assert problems(await api.execute(RECORD_SALE, order(line(gold), line(gold)), caller=owner)) == ["input.items"]
        taxed = {"id": gold["id"], "taxRate": "0.0001"}
    await api.data("mutation ($input: UpdateProductInput!) { updateProduct(input: $input) { id } }", {"input": taxed}, caller=owner)
    async with nothing_written():
        assert problems(await api.execute(RECORD_SALE, order(line(gold)), caller=owner)) == ["input.items"]
    assert (await verify(database)).findings == ()


async def test_as_many_pieces_as_can_be_counted_are_sold_at_once(api: Api, owner: Person, database: Database) -> None:
    sand = await make_product(api, owner, "Grain of sand", "0.01", stock=10**12)
    made = await sell(api, owner, line(sand, 10**12))
    assert (made["items"][0]["quantity"], made["total"]) == (10**12, "10000000000.00")
    assert await stock_of(api, owner, sand) == 0
    assert (await verify(database)).findings == ()


async def test_a_product_that_is_sold_and_deleted_at_once_is_one_of_the_two(api: Api, owner: Person, database: Database) -> None:
    """Of a product whose stock is not tracked a sale writes no row: it must be guarded."""
    for number in range(6):
        tea = await make_product(api, owner, stock=0, trackStock=False)
        sold, deleted = await asyncio.gather(
            api.execute(RECORD_SALE, order(line(tea)), caller=owner),
            api.execute("mutation ($id: ID!) { deleteProduct(id: $id) { id } }", {"id": tea["id"]}, caller=owner),
        )
        assert ("errors" in sold) != ("errors" in deleted), (number, sold, deleted)
        assert refusal(sold if "errors" in sold else deleted)[0] in {"NOT_FOUND", "CONFLICT"}
    assert (await verify(database)).findings == ()


async def test_sums_never_go_beyond_what_can_be_kept(api: Api, owner: Person, database: Database) -> None:
    gold = await make_product(api, owner, "Gold", BIG, trackStock=False)
    await sell(api, owner, line(gold))
    await database.command({"update": "summaries", "updates": [{"q": {}, "u": {"$set": {"sales_minor": 2**63 - 1}}, "multi": True}]})
    assert await api.code(RECORD_SALE, order(line(gold)), caller=owner) == "INVALID_INPUT"
    assert (await sell(api, owner, line(gold, unitPrice="0.00")))["number"] == 2


async def test_fifty_clients_at_once_sell_the_last_ten_pieces_once_each(api: Api, owner: Person, database: Database) -> None:
    tea = await make_product(api, owner, "Assam", stock=10)
    answers = await asyncio.gather(*(api.execute(RECORD_SALE, order(line(tea)), caller=owner) for _ in range(50)))
    refused = [refusal(answer) for answer in answers if "errors" in answer]
    assert refused == [("CONFLICT", "Only 0 of “Assam” are in stock.")] * 40
    numbers = sorted(answer["data"]["recordSale"]["number"] for answer in answers if "errors" not in answer)
    assert numbers == list(range(1, 11))
    assert await stock_of(api, owner, tea) == 0
    assert (await verify(database)).findings == ()


async def test_a_refused_sale_takes_no_number(api: Api, owner: Person) -> None:
    tea = await make_product(api, owner, stock=1)
    assert await api.code(RECORD_SALE, order(line(tea, 2)), caller=owner) == "CONFLICT"
    assert (await sell(api, owner, line(tea)))["number"] == 1


async def test_a_sale_sent_twice_with_one_key_is_made_once(api: Api, owner: Person, database: Database) -> None:
    tea = await make_product(api, owner, stock=5)
    sending = [api.execute(RECORD_SALE, order(line(tea)), caller=owner, idempotency_key="k") for _ in range(4)]
    answers = await asyncio.gather(*sending)
    assert {answer["data"]["recordSale"]["number"] for answer in answers} == {1}
    assert answers[0]["data"] == answers[3]["data"]
    other = await api.execute(RECORD_SALE, order(line(tea, 2)), caller=owner, idempotency_key="k")
    assert refusal(other)[0] == "CONFLICT"
    assert await stock_of(api, owner, tea) == 4
    assert (await verify(database)).findings == ()


@pytest.mark.parametrize(
    ("sold_at", "day", "hour"),
    [
        ("2026-10-25T00:30:00Z", "2026-10-25", 2),  # the hour that comes twice, the first time
        ("2026-10-25T01:30:00Z", "2026-10-25", 2),  # the second time
        ("2026-10-25T03:30:00+01:00", "2026-10-25", 3),
        ("2026-03-29T00:59:59.999Z", "2026-03-29", 1),
        ("2026-03-29T01:00:00Z", "2026-03-29", 3),  # the hour before is skipped
        ("2026-03-28T23:00:00Z", "2026-03-29", 0),
        ("2026-10-25T22:59:59Z", "2026-10-25", 23),
    ],
)
async def test_a_day_that_daylight_saving_doubles_or_skips_an_hour_of_is_one_day(
    api: Api, owner: Person, database: Database, sold_at: str, day: str, hour: int
) -> None:
    await put_settings(api, owner, timeZone="Europe/Berlin")
    tea = await make_product(api, owner, stock=1)
    assert (await sell(api, owner, line(tea), soldAt=sold_at))["soldOn"] == day
    reply = await database.command({"find": "sales", "filter": {"account_id": owner.account_id}})
    assert reply["cursor"]["firstBatch"][0]["sold_hour"] == hour
    assert (await verify(database)).findings == ()


async def test_a_sale_stays_on_its_day_when_the_time_zone_changes(api: Api, owner: Person) -> None:
    await put_settings(api, owner, timeZone="Pacific/Kiritimati")
    tea = await make_product(api, owner, stock=2)
    before = await sell(api, owner, line(tea), soldAt="2026-11-01T11:00:00Z")
    await put_settings(api, owner, timeZone="Pacific/Honolulu")
    after = await sell(api, owner, line(tea), soldAt="2026-11-01T09:00:00Z")
    assert (before["soldOn"], after["soldOn"]) == ("2026-11-02", "2026-10-31")
    found = await sale_of(api, owner, before["id"])
    assert found is not None
    assert found["soldOn"] == "2026-11-02"


async def test_a_till_whose_clock_is_a_little_ahead_can_sell(api: Api, owner: Person) -> None:
    tea = await make_product(api, owner, stock=2)
    ahead = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    assert (await sell(api, owner, line(tea), soldAt=ahead))["number"] == 1
    assert (await sell(api, owner, line(tea), soldAt="2000-01-01T00:00:00Z"))["soldOn"] == "2000-01-01"


async def test_a_sale_is_found_by_its_number_and_its_id(api: Api, owner: Person) -> None:
    made = await sell(api, owner, line(await make_product(api, owner, stock=1)))
    document = f"query ($n: Quantity!) {{ saleByNumber(number: $n) {{ {SALE} }} }}"
    assert (await api.data(document, {"n": 1}, caller=owner))["saleByNumber"] == made
    assert (await api.data(document, {"n": 2}, caller=owner))["saleByNumber"] is None
    assert (await api.data(document, {"n": -(10**12)}, caller=owner))["saleByNumber"] is None
    assert problems(await api.execute(document, {"n": 1.5}, caller=owner)) == ["n"]
    assert problems(await api.execute('{ sale(id: "prd_x") { id } }', caller=owner)) == ["id"]
    item = made["items"][0]
    data = await api.data(
        "query ($id: ID!) { node(id: $id) { ... on SaleItem { name sale { number } } } }", {"id": item["id"]}, caller=owner
    )
    assert data["node"] == {"name": "Assam", "sale": {"number": 1}}


async def test_a_sale_of_three_items_costs_few_commands(api: Api, owner: Person, commands: Commands) -> None:
    """Every command is a round trip in the one transaction that all tills of a business wait for."""
    products = [await make_product(api, owner, name, stock=9, cost="1") for name in ("Assam", "Sencha", "Rooibos")]
    document = "mutation ($input: RecordSaleInput!) { recordSale(input: $input) { number total } }"
    values = order(*map(line, products), discount="0.10")
    await api.data(document, values, caller=owner)
    await api.settle()
    before = commands.counts.copy()
    await api.data(document, values, caller=owner)
    sent = commands.counts - before
    assert sum(count for name, count in sent.items() if name not in {"getMore", "endSessions"}) <= 13, sent
    assert sent["commitTransaction"] == 1
