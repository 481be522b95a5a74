import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
from pymongo.errors import OperationFailure

from datastore.database import MAJORITY, Database
from datastore.embedded import MongoServer
from datastore.migrate import MAX_NAMED, MigrationRefusedError, migrate
from datastore.rate_limits import COLLECTION
from datastore.schema import TABLES, Product, User
from datastore.scope import Scope
from datastore.tables import Index, OnDelete, OwnedRow, Reference, Row, TableSpec
from datastore.validators import check_declarations, index_document, validator_of
from tests.datastore.samples import MOMENT, product, user


@pytest.fixture
async def empty(mongod: MongoServer) -> AsyncIterator[Database]:
    """A database in which there is nothing at all."""
    database = await Database.connect(mongod.uri, "tillstream_migration")
    await database.command({"dropDatabase": 1, "writeConcern": MAJORITY})
    yield database
    await database.command({"dropDatabase": 1, "writeConcern": MAJORITY})
    await database.close()


def table_of(*indexes: Index, **columns: Any) -> type[Row]:
    """A table named `things` with these columns and indexes."""
    fields = {"__annotations__": columns, "__module__": __name__, "spec": TableSpec("things", "thg", "thing", indexes=indexes)}
    fields["__annotations__"] = {"spec": ClassVar[TableSpec], **columns}
    return type("Thing", (OwnedRow,), fields)


def thing(number: int, **columns: Any) -> dict[str, Any]:
    return {"_id": f"thg_{number:03}", "created_at": MOMENT, "updated_at": MOMENT, "account_id": "acc_1", **columns}


async def insert(database: Database, collection: str, *documents: dict[str, Any]) -> None:
    reply = await database.command({"insert": collection, "documents": list(documents), "writeConcern": MAJORITY})
    assert "writeErrors" not in reply, reply


async def stored(database: Database, collection: str) -> dict[str, dict[str, Any]]:
    """All documents, by id, as they are read back."""
    reply = await database.command({"find": collection})
    return {document["_id"]: document for document in reply["cursor"]["firstBatch"]}


async def state(database: Database) -> dict[str, Any]:
    """Everything a migration may change."""
    reply = await database.command({"listCollections": 1})
    found = {}
    for collection in reply["cursor"]["firstBatch"]:
        indexes = await database.command({"listIndexes": collection["name"]})
        found[collection["name"]] = (collection["options"], indexes["cursor"]["firstBatch"])
    return found


async def test_all_tables_are_made_and_a_second_time_nothing_is_done(empty: Database) -> None:
    report = await migrate(empty)
    made = await state(empty)
    assert made.keys() == {*(table.spec.name for table in TABLES), COLLECTION}
    assert len(report.lines) == len(TABLES) + sum(len(table.spec.indexes) for table in TABLES) + 1
    assert (await migrate(empty)).lines == ()
    assert await state(empty) == made


@pytest.mark.slow
async def test_two_migrations_at_once_end_as_one(empty: Database) -> None:
    reports = await asyncio.gather(*(migrate(empty) for _ in range(4)))
    assert any(report.lines for report in reports)
    assert (await migrate(empty)).lines == ()


async def test_two_migrations_at_once_of_what_exists_end_as_one(empty: Database) -> None:
    await migrate(empty, (table_of(Index("by_name", ("name",)), name=str),))
    later = (table_of(Index("by_size", ("size",)), Index("by_name", ("name", "size")), name=str, size=int),)
    await asyncio.gather(*(migrate(empty, later) for _ in range(4)))
    assert (await migrate(empty, later)).lines == ()


async def test_a_new_column_index_and_table_are_added(empty: Database) -> None:
    await migrate(empty, (table_of(name=str),))
    report = await migrate(empty, (table_of(Index("by_size", ("size",)), name=str, size=int),))
    assert report.lines == ("things: validator changed", "things: index by_size made")


async def test_an_index_that_changed_is_made_again_and_one_no_longer_declared_dropped(empty: Database) -> None:
    await migrate(empty, (table_of(Index("by_name", ("name",)), Index("by_old", ("name",), unique=True), name=str),))
    await empty.command({"createIndexes": "things", "indexes": [{"name": "operators_own", "key": {"name": -1}}], "writeConcern": MAJORITY})
    report = await migrate(empty, (table_of(Index("by_name", ("name",), unique=True), name=str),))
    dropped, made = ("things: index by_old dropped", "things: index by_name dropped"), ("things: index by_name made",)
    assert report.lines == dropped + made
    _, indexes = (await state(empty))["things"]
    assert {index["name"] for index in indexes} == {"_id_", "operators_own", "by_name"}


async def test_an_index_with_another_name_only_is_renamed(empty: Database) -> None:
    await migrate(empty, (table_of(Index("by_title", ("name",)), name=str),))
    report = await migrate(empty, (table_of(Index("by_name", ("name",)), name=str),))
    assert report.lines == ("things: index by_title dropped", "things: index by_name made")


async def test_an_operators_index_in_the_way_is_named(empty: Database) -> None:
    await migrate(empty, (table_of(name=str),))
    own = {"name": "own", "key": {"account_id": 1, "name": 1, "_id": 1}}
    await empty.command({"createIndexes": "things", "indexes": [own], "writeConcern": MAJORITY})
    with pytest.raises(MigrationRefusedError, match="the index own is not ours"):
        await migrate(empty, (table_of(Index("by_name", ("name",)), name=str),))


async def test_rows_that_do_not_fit_are_listed_and_nothing_is_changed(empty: Database) -> None:
    old = table_of(name=str)
    await migrate(empty, (old,))
    await insert(empty, "things", *(thing(number, name="x") for number in range(MAX_NAMED + 5)))
    before = await state(empty)
    new = table_of(Index("by_name", ("name",), unique=True), name=str, size=int)
    with pytest.raises(MigrationRefusedError) as refused:
        await migrate(empty, (new, User))
    misfits, duplicates = refused.value.problems
    assert misfits.startswith("things: 25 rows do not fit the table's columns: thg_0")
    assert duplicates.startswith("things: 25 rows share their account_id, name (by_name): thg_0")
    for problem in refused.value.problems:
        assert problem.count("thg_") == MAX_NAMED
        assert problem.endswith("and 5 more")
    assert await state(empty) == before


async def test_rows_without_the_key_of_a_unique_index_do_not_clash(empty: Database) -> None:
    await migrate(empty, (table_of(name=str | None),))
    await insert(empty, "things", thing(1, name=None), thing(2, name=None), thing(3, name="x"))
    report = await migrate(empty, (table_of(Index("by_name", ("name",), unique=True), name=str | None),))
    assert report.lines == ("things: index by_name made",)


async def test_rows_that_were_there_before_any_table_was_are_checked(empty: Database) -> None:
    await insert(empty, "things", thing(1, name=5))
    with pytest.raises(MigrationRefusedError, match="thg_001"):
        await migrate(empty, (table_of(name=str),))


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": 7},
        {"stock": 1.0},
        {"stock": True},
        {"stock": "1"},
        {"archived": 0},
        {"created_at": "2026"},
        {"sku": 5},
        {"nonsense": 1},
        {"guard": "x"},
    ],
)
async def test_the_server_refuses_a_row_that_is_not_of_its_table(database: Database, scope: Scope, change: dict[str, Any]) -> None:
    reply = await database.command({"insert": "products", "documents": [product(scope).to_document() | change]})
    assert [error["code"] for error in reply["writeErrors"]] == [121]


async def test_the_server_refuses_a_missing_column_and_an_unknown_choice(database: Database, scope: Scope) -> None:
    document = product(scope).to_document()
    del document["barcode"]
    reply = await database.command({"insert": "products", "documents": [document]})
    assert [error["code"] for error in reply["writeErrors"]] == [121]
    member = {"_id": "mem_1", "created_at": MOMENT, "updated_at": MOMENT, "account_id": "acc_1", "user_id": "usr_1", "role": "KING"}
    reply = await database.command({"insert": "members", "documents": [member]})
    assert [error["code"] for error in reply["writeErrors"]] == [121]


async def test_the_server_takes_every_number_of_64_bits(database: Database, scope: Scope) -> None:
    rows = [product(scope, stock=stock).to_document() for stock in (0, -1, 1 << 31, (1 << 63) - 1, -(1 << 63))]
    await insert(database, "products", *rows)
    assert await stored(database, "products") == {row["_id"]: row for row in rows}


async def test_documents_of_identity_fit_too(database: Database) -> None:
    ada = user().to_document()
    await insert(database, "users", ada)
    assert await stored(database, "users") == {ada["_id"]: ada}


def test_every_index_of_an_account_begins_with_it() -> None:
    for table in TABLES:
        for index in table.spec.indexes:
            first = next(iter(index_document(table, index)["key"]))
            assert (first == "account_id") == issubclass(table, OwnedRow)


def test_every_column_is_in_the_validator() -> None:
    schema = validator_of(Product)["$jsonSchema"]
    assert set(schema["required"]) == Product.model_fields.keys() - {"id"} | Product.model_computed_fields.keys() | {"_id"}
    assert schema["properties"].keys() == {*schema["required"], "guard", "farewell"}
    assert schema["properties"]["category_id"] == {"bsonType": ["string", "null"]}


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (table_of(Index("by_name", ("nonsense",)), name=str), "nonsense"),
        (table_of(Index("name", ("name",)), name=str), "begins with by_"),
        (table_of(name=list[int]), "no column can hold"),
        (table_of(name=float), "no column can hold"),
        (table_of(name=str | int), "no column can hold"),
    ],
)
async def test_a_table_that_cannot_be_kept_is_refused_before_anything_is_asked(empty: Database, table: type[Row], complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        await migrate(empty, (table,))
    assert await state(empty) == {}


@pytest.mark.parametrize(
    ("reference", "indexes", "complaint"),
    [
        (Reference("name", "things", OnDelete.CASCADE), (), "needs an index"),
        (Reference("name", "things", OnDelete.CLEAR), (Index("by_name", ("name",)),), "never null"),
        (Reference("name", "nowhere", OnDelete.CASCADE), (Index("by_name", ("name",)),), "not declared"),
        (Reference("name", "users", OnDelete.CASCADE), (Index("by_name", ("name",)),), "belongs to others"),
    ],
)
def test_a_reference_that_cannot_be_followed_is_refused(reference: Reference, indexes: tuple[Index, ...], complaint: str) -> None:
    table = table_of(name=str)
    table.spec = TableSpec("things", "thg", "thing", indexes=indexes, references=(reference,))
    with pytest.raises(TypeError, match=complaint):
        check_declarations((*TABLES, table))


async def test_an_error_that_is_nobodys_race_is_not_swallowed(empty: Database) -> None:
    await empty.command({"create": "elsewhere", "writeConcern": MAJORITY})
    await empty.command({"create": "things", "viewOn": "elsewhere", "pipeline": [], "writeConcern": MAJORITY})
    with pytest.raises(OperationFailure):
        await migrate(empty, (table_of(Index("by_name", ("name",)), name=str),))
