"""`verify` looks at all accounts or at one, at one moment each, and says how much it looked at."""

import asyncio

import pytest

from datastore.database import Database
from datastore.errors import InvalidInputError, NotFoundError
from datastore.schema import Account, Product, Sale
from resolvers import verify as module
from resolvers.services import Services
from resolvers.verify import rows_to_read, verify
from tests.gql.api import Api
from tests.resolvers.broken_books import Break, broken, first
from tests.resolvers.shop import make_product

ALL_WRONG = {"update": "sale_items", "updates": [{"q": {}, "u": {"$inc": {"tax_minor": 1}}, "multi": True}]}
ALL_RIGHT = {"update": "sale_items", "updates": [{"q": {}, "u": {"$inc": {"tax_minor": -1}}, "multi": True}]}


async def account_of(services: Services, sales: int) -> str:
    """The account with so many sales."""
    sale = await first(services.database, Sale, {"number": sales})
    return str(sale["account_id"])


@pytest.mark.slow
async def test_two_clean_shops_have_no_finding(kept_books: Services) -> None:
    found = await verify(kept_books.database)
    assert (found.findings, found.more, found.accounts, found.sales) == ((), 0, 2, 170)
    assert found.entries > 170
    assert found.seconds > 0


async def test_an_empty_database_is_clean(database: Database) -> None:
    found = await verify(database)
    assert (found.findings, found.accounts, found.sales, found.entries) == ((), 0, 0, 0)


async def test_one_account_is_looked_at_alone(kept_books: Services) -> None:
    large = await account_of(kept_books, 150)
    small = (await first(kept_books.database, Account, {"_id": {"$ne": large}}))["_id"]
    async with broken(kept_books.database, Break("", Product, {"stock": 12_345}, "", {"account_id": large})):
        found = await verify(kept_books.database, small)
        assert (found.findings, found.accounts, found.sales) == ((), 1, 20)
        assert (await verify(kept_books.database, large)).findings


@pytest.mark.parametrize(("id", "error"), [("acc_00000000000000000000000000", NotFoundError), ("nonsense", InvalidInputError)])
async def test_an_account_that_is_not_there_is_refused(kept_books: Services, id: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await verify(kept_books.database, id)


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
async def test_accounts_are_all_looked_at_however_many_at_once(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(module, "ACCOUNTS_AT_ONCE", at_once)
    for _ in range(4):
        await make_product(api, await api.sign_up(), stock=5)
    assert (await verify(database)).accounts == 4
    await database.command({"update": "products", "updates": [{"q": {}, "u": {"$inc": {"stock": 1}}, "multi": True}]})
    assert len((await verify(database)).findings) == 8


async def test_a_hundred_findings_are_told_and_the_others_counted(kept_books: Services) -> None:
    await kept_books.database.command(ALL_WRONG)
    try:
        found = await verify(kept_books.database)
    finally:
        await kept_books.database.command(ALL_RIGHT)
    assert len(found.findings) == 100
    assert found.more > 100


async def test_progress_reaches_about_what_was_announced(kept_books: Services) -> None:
    rows: list[int] = []
    await verify(kept_books.database, read=rows.append)
    announced = await rows_to_read(kept_books.database)
    assert 0.9 * announced < sum(rows) < 1.1 * announced
    assert await rows_to_read(kept_books.database, await account_of(kept_books, 150)) < announced


async def test_what_is_recorded_meanwhile_is_no_finding(api: Api, database: Database) -> None:
    owner = await api.sign_up()
    await make_product(api, owner, stock=5)
    trading: list[asyncio.Task[object]] = []

    def trade(_: int) -> None:
        trading.append(asyncio.create_task(make_product(api, owner, stock=7)))

    found = await verify(database, read=trade)
    await asyncio.gather(*trading)
    assert found.findings == ()
    assert trading
