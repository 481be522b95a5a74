import ast
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from datastore import bulk
from datastore.bulk import Moment, account_ids
from datastore.database import Database, SnapshotLostError
from datastore.embedded import MongoServer
from datastore.errors import UnavailableError
from datastore.schema import Account, Breakdown, Product, Session, StockMovement
from datastore.scope import Scope, grant
from tests.datastore.failpoints import failing
from tests.datastore.samples import MOMENT, category, count, document_of, movement, product, stored, write

ROOT = Path(__file__).parents[2]
COLUMNS = ("account_id", "name_key", "stock")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows in one answer, so that a few rows are many answers."""
    monkeypatch.setattr(bulk, "BATCH", 7)


def scopes(number: int) -> list[Scope]:
    """Owners of accounts whose ids are in order."""
    return [grant(f"acc_{position:02}", f"usr_{position:02}", "OWNER") for position in range(number)]


async def open_cursors(mongod: MongoServer) -> int:
    """How many cursors the server keeps, but for those of change streams."""
    pipeline: list[dict[str, Any]] = [
        {"$currentOp": {"idleCursors": True, "allUsers": True}},
        {"$match": {"type": "idleCursor", "cursor.tailable": False}},
        {"$count": "open"},
    ]
    admin = await Database.connect(mongod.uri, "admin")
    reply = await admin.command({"aggregate": 1, "pipeline": pipeline, "cursor": {}})
    await admin.close()
    return sum(group["open"] for group in reply["cursor"]["firstBatch"])


async def test_all_rows_of_all_accounts_come_in_the_order_of_an_index(database: Database) -> None:
    products = [product(scope, name=f"Tea {9 - number}", stock=number) for scope in scopes(3) for number in range(10)]
    await stored(database, *reversed(products))
    moment = await Moment.now(database)
    batches = [batch async for batch in moment.stream(Product, "by_name", COLUMNS)]
    assert [len(batch) for batch in batches] == [7, 7, 7, 7, 2]
    expected = sorted(products, key=lambda row: (row.account_id, row.name_key))
    documents = [document for batch in batches for document in batch]
    assert documents == [{"_id": row.id} | {name: getattr(row, name) for name in COLUMNS} for row in expected]
    assert await moment.count(Product) == 30
    assert await moment.count(Product, "acc_01") == 10


async def test_a_range_of_accounts_and_a_part_of_an_index_narrow_it(database: Database) -> None:
    rows = [product(scope, archived=archived, name=scope.account_id) for scope in scopes(4) for archived in (False, True)]
    await stored(database, *rows)
    moment = await Moment.now(database)

    async def accounts(**narrowed: Any) -> list[str]:
        return [
            document["account_id"] async for batch in moment.stream(Product, "by_name", ["account_id"], **narrowed) for document in batch
        ]

    assert await accounts(low="acc_01", high="acc_03") == ["acc_01", "acc_01", "acc_02", "acc_02"]
    assert await accounts(low="acc_03") == ["acc_03", "acc_03"]
    assert await accounts(high="acc_01\0", low="acc_01", equals={"name_key": "acc_01"}) == ["acc_01", "acc_01"]
    assert await accounts(equals={"name_key": "acc_02"}) == ["acc_02", "acc_02"]
    assert await accounts(low="acc_9") == []


async def test_what_is_written_after_the_moment_is_not_in_it(database: Database, scope: Scope) -> None:
    products = [product(scope, name=f"{number:02}") for number in range(30)]
    await stored(database, *products)
    moment = await Moment.now(database)
    names = []
    async with aclosing(moment.stream(Product, "by_name", ["name"])) as batches:
        async for batch in batches:
            names += [document["name"] for document in batch]
            await write(database, scope, lambda writer: writer.insert(product(scope, name="late")))
            if len(names) == 7:
                await write(database, scope, lambda writer: writer.delete(products[-1]))
    assert names == [f"{number:02}" for number in range(30)]
    assert [len(await moment.by_ids(Product, [products[-1].id])), await moment.count(Product)] == [1, 30]
    assert await count(database, Product) == 34


async def test_rows_are_read_by_ids_and_by_what_they_belong_to(database: Database) -> None:
    ann, bob = scopes(2)
    tea, coffee, cake = product(ann), product(ann), product(bob)
    of_tea = [movement(ann, tea, delta=number) for number in range(1, 21)]
    foreign = movement(bob, tea, delta=1000)
    await stored(database, tea, coffee, cake, *of_tea, movement(bob, cake, delta=-4), foreign)
    moment = await Moment.now(database)
    asked = {ann.account_id: [tea.id, coffee.id], bob.account_id: [cake.id]}
    related = await moment.relatives(StockMovement, "by_product", asked, ["product_id", "delta"])
    assert sorted(document["delta"] for document in related) == [-4, *range(1, 21)]
    batches = [batch async for batch in moment.stream_relatives(StockMovement, "by_product", asked, ["product_id", "delta"])]
    assert [document for batch in batches for document in batch] == related
    assert len(batches) > 1
    found = await moment.by_ids(Product, [tea.id, cake.id, Product.new_id()], ["account_id"])
    assert sorted(document["account_id"] for document in found) == ["acc_00", "acc_01"]
    assert await moment.relatives(StockMovement, "by_product", {}, []) == []


async def test_accounts_are_listed_at_once_or_in_portions(database: Database) -> None:
    accounts = [Account(id=f"acc_{number:02}", created_at=MOMENT, updated_at=MOMENT, account_id=f"acc_{number:02}") for number in range(20)]
    await stored(database, *accounts)
    moment = await Moment.now(database)
    assert [id async for id in moment.accounts()] == [row.id for row in accounts]
    assert await account_ids(database, after="", first=3) == ["acc_00", "acc_01", "acc_02"]
    assert await account_ids(database, after="acc_17", first=100) == ["acc_18", "acc_19"]


async def test_nothing_is_in_an_empty_table(database: Database) -> None:
    moment = await Moment.now(database)
    assert [batch async for batch in moment.stream(Breakdown, "by_key", ["count"])] == []
    assert await moment.count(Breakdown) == await moment.count(Breakdown, "acc_1") == 0


async def test_a_hidden_column_is_not_read_and_an_unknown_one_refused(database: Database, scope: Scope) -> None:
    drinks = category(scope)
    await stored(database, drinks, product(scope, category_id=drinks.id))
    moment = await Moment.now(database)
    assert (await document_of(database, drinks)) is not None
    refused: list[tuple[str, list[str], dict[str, Any]]] = [
        ("by_name", ["guard"], {}),
        ("by_name", ["nonsense"], {}),
        ("by_search", ["name"], {}),
        ("by_name", ["name"], {"equals": {"stock": "1"}}),
    ]
    for index, columns, narrowed in refused:
        with pytest.raises(TypeError):
            await anext(aiter(moment.stream(Product, index, columns, **narrowed)))
    with pytest.raises(TypeError):
        await moment.relatives(StockMovement, "by_product", {"acc_1": ["prd_1"]}, ["nonsense"])
    with pytest.raises(KeyError):
        await anext(aiter(moment.stream(Product, "by_nothing", [])))


async def test_a_moment_that_the_server_has_forgotten_says_so(database: Database, mongod: MongoServer, scope: Scope) -> None:
    await stored(database, *(product(scope) for _ in range(30)))
    moment = await Moment.now(database)
    batches = moment.stream(Product, "by_name", ["name"])
    async with failing(mongod.uri, "getMore", errorCode=239), aclosing(batches):
        assert len(await anext(batches)) == 7
        with pytest.raises(SnapshotLostError, match="minSnapshotHistoryWindowInSeconds"):
            await anext(batches)
    with pytest.raises(SnapshotLostError, match="too far back"):
        await Moment(database, type(moment.version)(1 << 32)).count(Product)


async def test_a_server_lost_on_the_way_is_unavailable(database: Database, mongod: MongoServer, scope: Scope) -> None:
    await stored(database, *(product(scope) for _ in range(30)))
    batches = (await Moment.now(database)).stream(Product, "by_name", ["name"])
    async with failing(mongod.uri, "getMore"), aclosing(batches):
        assert len(await anext(batches)) == 7
        with pytest.raises(UnavailableError):
            await anext(batches)


async def test_who_stops_half_way_leaves_nothing_open(database: Database, mongod: MongoServer, scope: Scope) -> None:
    await stored(database, *(product(scope) for _ in range(50)))
    moment = await Moment.now(database)
    before = await open_cursors(mongod)
    for _ in range(3):
        async with aclosing(moment.stream(Product, "by_name", ["name"])) as batches:
            assert len(await anext(batches)) == 7
            assert await open_cursors(mongod) >= before
    assert await open_cursors(mongod) == before


@pytest.mark.slow
def test_only_verification_reads_past_every_scope() -> None:
    users = set()
    for path in (path for layer in ("gql", "resolvers", "datastore") for path in (ROOT / layer).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import | ast.ImportFrom) else set()
            if module == "datastore.bulk" or "datastore.bulk" in names or (module == "datastore" and "bulk" in names):
                users.add(path.name)
    assert users <= {"verify.py", "verify_rows.py", "verify_files.py"}


async def test_identity_has_no_accounts_rows(database: Database) -> None:
    moment = await Moment.now(database)
    assert await moment.by_ids(Session, ["ses_1"], ["user_id"]) == []
