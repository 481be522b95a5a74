import asyncio
import time

import pytest
from motor.motor_asyncio import AsyncIOMotorClient

from datastore.database import Database, Document, SnapshotLostError, timestamp_of
from datastore.embedded import MongoServer
from datastore.errors import InvalidInputError, UnavailableError
from datastore.keys import encode_key
from datastore.migrate import migrate
from datastore.reading import IdentityReader, Reader, Snapshot
from datastore.schema import Product, ProductCategory, Session, StockMovement, User
from datastore.scope import Scope, grant
from datastore.versions import Version, version_of
from tests.commands import Commands
from tests.datastore.failpoints import failing
from tests.datastore.samples import CURSORS, category, movement, product, reader_of, stored, user


async def test_two_pages_asked_for_at_once_are_one_command_on_one_snapshot(database: Database, scope: Scope, commands: Commands) -> None:
    drinks = category(scope)
    await stored(database, drinks, *(product(scope, name=f"before {number}") for number in range(3)))
    reader = reader_of(database, scope)
    before = commands.reads
    products, categories = await asyncio.gather(
        reader.page(Product, "by_name", [False], first=10), reader.page(ProductCategory, "by_position", [], first=10)
    )
    assert commands.reads == before + 1
    assert (len(products.rows), categories.rows) == (3, (drinks,))


async def test_pages_behind_cursors_asked_for_at_once_share_the_snapshot(database: Database, scope: Scope, commands: Commands) -> None:
    await stored(database, *(product(scope, name=f"{number}") for number in range(6)))
    first = await reader_of(database, scope).page(Product, "by_name", [False], first=2)
    last = await reader_of(database, scope).page(Product, "by_name", [False], first=2, descending=True)
    reader = reader_of(database, scope)
    before = commands.reads
    forward, backward = await asyncio.gather(
        reader.page(Product, "by_name", [False], first=2, after=first.cursors[-1]),
        reader.page(Product, "by_name", [False], first=2, after=last.cursors[-1], descending=True),
    )
    assert [row.name for row in forward.rows] == ["2", "3"]
    assert [row.name for row in backward.rows] == ["3", "2"]
    assert commands.reads == before + 2, "each needs its index named, and a command can name one"


async def test_what_is_committed_during_a_run_is_not_seen_by_it(database: Database, scope: Scope) -> None:
    await stored(database, product(scope, name="before"))
    reader = reader_of(database, scope)
    first = await reader.page(Product, "by_name", [False], first=10)
    version = reader.version
    assert version is not None
    late = product(scope, name="after")
    await stored(database, late)
    again, alone, missing = await asyncio.gather(
        reader.page(Product, "by_name", [False], first=10),
        reader.page(Product, "by_stock", [False], first=10),
        reader.get(Product, late.id),
    )
    assert again.rows == alone.rows == first.rows
    assert missing is None
    assert reader.version == version
    fresh = reader_of(database, scope)
    assert len((await fresh.page(Product, "by_name", [False], first=10)).rows) == 2
    assert fresh.version is not None
    assert fresh.version > version


async def test_rows_beyond_what_one_reply_holds_all_arrive(database: Database, scope: Scope) -> None:
    large = [product(scope, name=f"{number:02}", description="x" * 900_000) for number in range(40)]
    for start in range(0, 40, 10):
        await stored(database, *large[start : start + 10])
    open_before = await _open_cursors(database)
    reader = reader_of(database, scope)
    page = await reader.page(Product, "by_name", [False], first=38)
    assert [row.id for row in page.rows] == [row.id for row in large[:38]]
    assert page.has_next_page
    two = reader_of(database, scope)
    forward, backward = await asyncio.gather(
        two.page(Product, "by_name", [False], first=38), two.page(Product, "by_name", [False], first=38, descending=True)
    )
    assert [row.id for row in forward.rows] == [row.id for row in large[:38]]
    assert [row.id for row in backward.rows] == [row.id for row in large[:1:-1]]
    assert await _open_cursors(database) <= open_before, "cursors that are left behind must be ended"


async def _open_cursors(database: Database) -> int:
    status = await database.command({"serverStatus": 1})
    return int(status["metrics"]["cursor"]["open"]["total"])


async def test_rows_asked_for_by_id_in_one_turn_are_one_command(database: Database, scope: Scope, commands: Commands) -> None:
    drinks = category(scope)
    rows = [product(scope) for _ in range(30)]
    await stored(database, drinks, *rows)
    reader = reader_of(database, scope)
    before = commands.reads
    gone = Product.new_id()
    found = await asyncio.gather(
        *(reader.get(Product, row.id) for row in rows),
        reader.get(Product, rows[0].id),
        reader.get(Product, gone),
        reader.get(ProductCategory, drinks.id),
    )
    assert commands.reads == before + 1
    assert list(found) == [*rows, rows[0], None, drinks]
    assert reader.read_set.seen == {drinks.id, gone, *(row.id for row in rows)}
    assert await reader.get(Product, rows[3].id) == rows[3]
    assert await reader.get(Product, gone) is None
    assert commands.reads == before + 1, "what a run has read it does not read again"


async def test_a_row_of_a_page_is_not_read_again_by_its_id(database: Database, scope: Scope, commands: Commands) -> None:
    await stored(database, product(scope))
    reader = reader_of(database, scope)
    (row,) = (await reader.page(Product, "by_name", [False], first=1)).rows
    before = commands.reads
    assert await reader.get(Product, row.id) == row
    assert commands.reads == before


async def test_hundreds_of_lists_in_one_turn_are_a_few_commands(database: Database, scope: Scope, commands: Commands) -> None:
    rows = [product(scope) for _ in range(150)]
    await stored(database, *rows, *(movement(scope, row) for row in rows))
    reader = reader_of(database, scope)
    before = commands.reads
    pages = await asyncio.gather(*(reader.page(StockMovement, "by_product", [row.id], first=5) for row in rows))
    assert [page.rows[0].product_id for page in pages] == [row.id for row in rows]
    assert commands.reads - before <= 3


async def test_a_row_of_another_owner_is_not_there_in_any_way(database: Database, scope: Scope) -> None:
    stranger = grant("acc_stranger", "usr_stranger", "OWNER")
    theirs = product(stranger, sku="theirs")
    await stored(database, theirs)
    reader = reader_of(database, scope)
    assert await reader.get(Product, theirs.id) is None
    assert await reader.node(theirs.id) is None
    assert await reader.find(Product, "by_sku", "theirs") is None
    for index in Product.spec.indexes:
        exactly = [theirs.search_keys[0] if name == "search_keys" else getattr(theirs, name) for name in index.keys]
        assert (await reader.page(Product, index.name, exactly, first=100)).rows == ()
        assert "search_keys" in index.keys or (await reader.page(Product, index.name, [], first=100)).rows == ()
    assert await reader_of(database, stranger).get(Product, theirs.id) == theirs


async def test_an_id_of_no_or_another_kind_is_not_there_and_costs_no_read(database: Database, scope: Scope, commands: Commands) -> None:
    reader = reader_of(database, scope)
    before = commands.reads
    for hostile in ("", "prd_", "\ud800", "\x00", "prd_" + "Z" * 26, ProductCategory.new_id(), "x" * 100_000, '{"$gt": ""}'):
        assert await reader.get(Product, hostile) is None
    assert await reader.node("nonsense") is None
    assert await reader.node(User.new_id()) is None
    assert commands.reads == before


async def test_a_node_is_found_by_the_prefix_of_its_id(database: Database, scope: Scope) -> None:
    drinks, coffee = category(scope), product(scope)
    await stored(database, drinks, coffee)
    reader = reader_of(database, scope)
    assert [await reader.node(drinks.id), await reader.node(coffee.id)] == [drinks, coffee]


async def test_finding_by_a_unique_key_records_the_entry_and_the_row(database: Database, scope: Scope) -> None:
    coffee = product(scope, sku="c-1")
    await stored(database, coffee, product(scope, sku="c-10"), product(scope))
    reader = reader_of(database, scope)
    assert await reader.find(Product, "by_sku", "c-1") == coffee
    (interval,) = reader.read_set.intervals
    assert interval.low <= encode_key([scope.account_id, "c-1"]) < interval.high
    assert not interval.low <= encode_key([scope.account_id, "c-10"]) < interval.high
    assert reader.read_set.seen == {coffee.id}


async def test_what_is_not_found_is_recorded_too(database: Database, scope: Scope) -> None:
    reader = reader_of(database, scope)
    assert await reader.find(Product, "by_sku", "none") is None
    (interval,) = reader.read_set.intervals
    assert interval.low <= encode_key([scope.account_id, "none"]) < interval.high


async def test_rows_without_a_key_are_not_found_by_it(database: Database, scope: Scope) -> None:
    await stored(database, product(scope), product(scope))
    assert await reader_of(database, scope).find(Product, "by_sku", None) is None


@pytest.mark.parametrize("hostile", ["\ud800", "a\udfffb"])
async def test_half_a_surrogate_pair_in_a_key_is_invalid_input_by_name(database: Database, scope: Scope, hostile: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await reader_of(database, scope).find(Product, "by_sku", hostile)
    assert refused.value.fields[0].path == "sku"


@pytest.mark.parametrize("hostile", [1 << 63, -(1 << 63) - 1, 10**40])
async def test_a_number_beyond_64_bits_is_invalid_input_by_name(database: Database, scope: Scope, hostile: int) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await reader_of(database, scope).page(Product, "by_price", [False], first=1, low=hostile)
    assert refused.value.fields[0].path == "price"


async def test_a_reader_reads_nothing_of_identity_and_an_identity_reader_nothing_else(database: Database, scope: Scope) -> None:
    reader, identity = reader_of(database, scope), IdentityReader(Snapshot(database))
    with pytest.raises(TypeError):
        await reader.get(User, User.new_id())  # type: ignore[type-var]
    with pytest.raises(TypeError):
        await reader.page(Session, "by_user", [], first=1)  # type: ignore[type-var]
    with pytest.raises(TypeError):
        await identity.get(Product, Product.new_id())  # type: ignore[type-var]
    with pytest.raises(TypeError):
        await identity.list(Product, "by_name")  # type: ignore[type-var]


async def test_only_a_unique_index_with_all_its_keys_finds(database: Database, scope: Scope) -> None:
    reader = reader_of(database, scope)
    with pytest.raises(TypeError):
        await reader.find(Product, "by_name", False, "x")
    with pytest.raises(TypeError):
        await reader.find(Product, "by_sku")
    with pytest.raises(TypeError):
        await reader.page(Product, "by_sku", ["a", "b"], first=1)
    with pytest.raises(KeyError):
        await reader.page(Product, "by_magic", [], first=1)


async def test_identity_is_read_by_id_and_unique_key(database: Database) -> None:
    ann, bob = user(email="ann@example.org"), user(email="bob@example.org")
    await stored(database, ann, bob)
    identity = IdentityReader(Snapshot(database))
    assert await identity.get(User, ann.id) == ann
    assert await identity.find(User, "by_email", "bob@example.org") == bob
    assert await identity.find(User, "by_email", "eve@example.org") is None
    assert await identity.list(User, "by_email") == (ann, bob)


async def test_a_snapshot_is_never_older_than_its_floor(database: Database, mongod: MongoServer, scope: Scope, commands: Commands) -> None:
    # A moment ahead of the majority's, as a newly elected primary has it: known to the server by gossip, reached by its next write.
    floor = version_of(int(time.time()) + 2, 1)
    await _gossip(mongod, floor)
    reader = reader_of(database, scope, floor)
    before = commands.counts["find"]
    reading = asyncio.create_task(reader.page(Product, "by_name", [False], first=5))
    async with asyncio.timeout(5):
        while commands.counts["find"] < before + 2:
            await asyncio.sleep(0.001)
    await stored(database, product(scope))
    await reading
    assert reader.version == floor


async def _gossip(mongod: MongoServer, version: Version) -> None:
    """Let the server hear of a later cluster time, as it does from any client."""
    client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(mongod.uri)
    async with await client.start_session() as session:
        time_and_signature = {"clusterTime": timestamp_of(version), "signature": {"hash": b"\x00" * 20, "keyId": 0}}
        session.advance_cluster_time(time_and_signature)
        await client.admin.command("ping", session=session)
    client.close()


async def test_a_snapshot_that_the_server_no_longer_has_says_so(database: Database, scope: Scope) -> None:
    await stored(database, product(scope))
    snapshot = Snapshot(database)
    snapshot.version = version_of(1_700_000_000, 1)
    with pytest.raises(SnapshotLostError):
        await Reader(snapshot, scope, CURSORS).page(Product, "by_name", [False], first=5)


async def test_an_index_that_is_being_made_is_no_fault_of_ours(database: Database, scope: Scope) -> None:
    await stored(database, product(scope))
    await database.command({"dropIndexes": "products", "index": "by_name"})
    try:
        with pytest.raises(SnapshotLostError, match="index is missing"):
            await reader_of(database, scope).page(Product, "by_name", [False], first=5)
    finally:
        await migrate(database)


async def test_a_connection_lost_once_is_not_noticed(database: Database, mongod: MongoServer, scope: Scope) -> None:
    await stored(database, product(scope))
    async with failing(mongod.uri, "find", 1):
        assert len((await reader_of(database, scope).page(Product, "by_name", [False], first=5)).rows) == 1


async def test_a_lost_database_is_unavailable_to_all_who_wait_for_it(database: Database, mongod: MongoServer, scope: Scope) -> None:
    await stored(database, product(scope))
    reader = reader_of(database, scope)
    async with failing(mongod.uri, "aggregate"):
        results = await asyncio.gather(
            reader.page(Product, "by_name", [False], first=5),
            reader.get(Product, Product.new_id()),
            reader.get(ProductCategory, ProductCategory.new_id()),
            return_exceptions=True,
        )
    assert [type(result) for result in results] == [UnavailableError] * 3
    assert len((await reader.page(Product, "by_name", [False], first=5)).rows) == 1, "a run can go on when the database is back"


async def test_one_who_gives_up_waiting_takes_nothing_from_the_others(database: Database, scope: Scope) -> None:
    coffee = product(scope)
    await stored(database, coffee)
    reader = reader_of(database, scope)
    hasty, patient = asyncio.create_task(reader.get(Product, coffee.id)), asyncio.create_task(reader.get(Product, coffee.id))
    await asyncio.sleep(0)
    hasty.cancel()
    assert await patient == coffee
    with pytest.raises(asyncio.CancelledError):
        await hasty


async def test_many_unique_keys_are_found_with_one_command(database: Database, scope: Scope, commands: Commands) -> None:
    rows = [product(scope, sku=f"sku-{number}") for number in range(50)]
    await stored(database, *rows)
    reader = reader_of(database, scope)
    await reader.get(Product, rows[0].id)
    before = commands.reads
    found = await reader.find_all(Product, "by_sku", [("sku-7",), ("none",), (None,), *((row.sku,) for row in rows)])
    assert commands.reads - before == 1
    assert found == [rows[7], None, None, *rows]
