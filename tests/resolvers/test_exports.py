from datetime import date

from datastore.scope import grant
from resolvers.days import Days
from resolvers.exports import RowSource, all_products, all_sales, category_names, ledger_entries
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.resolvers.ledgers import keep_ledger
from tests.resolvers.shop import make_category, make_product
from tests.resolvers.till import line, sell

ARCHIVE = "mutation ($id: ID!) { archiveProduct(id: $id) { id } }"


def source_of(services: Services, owner: Person) -> RowSource:
    return RowSource(services.database, grant(owner.account_id, owner.user_id, "MANAGER"))


async def test_the_ledger_is_read_by_days_and_kind_the_oldest_first(api: Api, owner: Person, stranger: Person) -> None:
    rows = await keep_ledger(api.services.database, owner, 100)
    await keep_ledger(api.services.database, stranger, 3)
    source = source_of(api.services, owner)
    assert [row async for batch in ledger_entries(source, Days()) for row in batch] == rows
    days = Days.between(date(2026, 1, 2), date(2026, 1, 3))
    assert [row async for batch in ledger_entries(source, days) for row in batch] == rows[24:72]
    assert [row async for batch in ledger_entries(source, days, "SALE") for row in batch] == rows[24:72:2]


async def test_products_and_categories_are_read_archived_ones_last(api: Api, owner: Person) -> None:
    category = await make_category(api, owner, "Tea")
    ids = [(await make_product(api, owner, f"Tea {number}"))["id"] for number in range(3)]
    await api.data(ARCHIVE, {"id": ids[0]}, caller=owner)
    source = source_of(api.services, owner)
    assert [row.id async for batch in all_products(source) for row in batch] == [ids[1], ids[2], ids[0]]
    assert [names async for names in category_names(source)] == [{category["id"]: "Tea"}]


async def test_sales_are_read_by_days_the_oldest_first(api: Api, owner: Person) -> None:
    product = await make_product(api, owner, stock=9)
    for day in (3, 1, 2):
        await sell(api, owner, line(product), soldAt=f"2026-01-0{day}T12:00:00Z")
    source = source_of(api.services, owner)
    assert [row.number async for batch in all_sales(source, Days()) for row in batch] == [2, 3, 1]
    assert [row.number async for batch in all_sales(source, Days.between(date(2026, 1, 2), None)) for row in batch] == [3, 1]
