import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
from pydantic import computed_field

from datastore import filling
from datastore.database import MAJORITY, Database
from datastore.embedded import MongoServer
from datastore.filling import fill, fillable, lacking
from datastore.migrate import MigrationRefusedError, migrate
from datastore.schema import Member
from datastore.scope import Scope
from datastore.tables import Index, OwnedRow, TableSpec
from datastore.validators import validator_of
from tests.datastore.samples import MOMENT, product

SPEC = TableSpec("things", "thg", "thing", indexes=(Index("by_name", ("name",)),))


class Old(OwnedRow):
    """Things as they once were."""

    spec: ClassVar = SPEC
    name: str


class New(OwnedRow):
    """The same table later: a column with a default, one that may be null, one that is computed."""

    spec: ClassVar = SPEC
    name: str
    size: int = 7
    colour: str | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def shout(self) -> list[str]:
        """What is computed."""
        return [self.name.upper(), str(self.size)]


@pytest.fixture
async def empty(mongod: MongoServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A database with the old table and nothing in it; filled three rows at a time."""
    monkeypatch.setattr(filling, "BATCH", 3)
    database = await Database.connect(mongod.uri, "tillstream_filling")
    await database.command({"dropDatabase": 1, "writeConcern": MAJORITY})
    await migrate(database, (Old,))
    yield database
    await database.command({"dropDatabase": 1, "writeConcern": MAJORITY})
    await database.close()


def thing(number: int, **columns: Any) -> dict[str, Any]:
    return {"_id": f"thg_{number:03}", "created_at": MOMENT, "updated_at": MOMENT, "account_id": "acc_1", "name": f"n{number}", **columns}


async def insert(database: Database, *documents: dict[str, Any]) -> list[dict[str, Any]]:
    """What the server refuses of it."""
    reply = await database.command({"insert": "things", "documents": list(documents), "ordered": False, "writeConcern": MAJORITY})
    refused: list[dict[str, Any]] = reply.get("writeErrors", [])
    return refused


async def things(database: Database) -> list[dict[str, Any]]:
    reply = await database.command({"find": "things", "sort": {"_id": 1}, "batchSize": 1000})
    documents: list[dict[str, Any]] = reply["cursor"]["firstBatch"]
    return documents


async def test_migration_gives_older_rows_the_columns_that_can_be_given(empty: Database) -> None:
    assert await insert(empty, *(thing(number) for number in range(10))) == []
    report = await migrate(empty, (New,))
    assert report.lines == ("things: 10 rows given colour, shout, size", "things: validator changed")
    given = {"size": 7, "colour": None}
    assert await things(empty) == [thing(number, **given, shout=[f"N{number}", "7"]) for number in range(10)]
    assert (await migrate(empty, (New,))).lines == ()
    assert [refused["code"] for refused in await insert(empty, thing(99))] == [121], "from now on they are demanded"


async def test_a_table_without_older_rows_just_changes_its_validator(empty: Database) -> None:
    assert (await migrate(empty, (New,))).lines == ("things: validator changed",)


async def test_rows_that_would_not_fit_with_the_columns_either_are_left_as_they_are(empty: Database) -> None:
    await empty.command({"collMod": "things", "validator": {}, "writeConcern": MAJORITY})
    await insert(empty, thing(1), thing(2, size="large"), thing(3, nonsense=1))
    before = await things(empty)
    with pytest.raises(MigrationRefusedError, match="things: 2 rows do not fit the table's columns: thg_002, thg_003"):
        await migrate(empty, (New,))
    assert await things(empty) == before


async def test_what_a_row_has_of_the_columns_stays(empty: Database) -> None:
    await empty.command({"collMod": "things", "validator": {}, "writeConcern": MAJORITY})
    await insert(empty, thing(1, size=3), thing(2, size=0, colour="red", guard=4))
    assert (await migrate(empty, (New,))).lines == ("things: 2 rows given colour, shout, size", "things: validator changed")
    assert await things(empty) == [
        thing(1, size=3, colour=None, shout=["N1", "3"]),
        thing(2, size=0, colour="red", guard=4, shout=["N2", "0"]),
    ]


async def test_a_migration_that_was_killed_while_filling_is_finished_by_the_next(empty: Database) -> None:
    await insert(empty, *(thing(number) for number in range(5)))
    lenient = validator_of(New, lacking(New, validator_of(Old)))
    await empty.command({"collMod": "things", "validator": lenient, "writeConcern": MAJORITY})
    await insert(empty, thing(5, size=1, colour=None, shout=[]))
    assert (await migrate(empty, (New,))).lines == ("things: 5 rows given colour, shout, size", "things: validator changed")
    assert {document["size"] for document in await things(empty)} == {1, 7}


async def test_rows_that_others_change_while_they_are_filled_are_filled_as_they_then_are(empty: Database) -> None:
    """Every name that is written stays, and what is computed of it fits it."""
    await insert(empty, *(thing(number) for number in range(20)))
    done = asyncio.Event()

    async def rename() -> None:
        for turn in range(1, 1000):
            name, changed_at = f"renamed{turn}", MOMENT.replace(microsecond=turn * 1000)
            if done.is_set():
                return
            unfilled = {"_id": "thg_010", "shout": {"$exists": False}}
            change = {"$set": {"name": name, "updated_at": changed_at}}
            await empty.command({"update": "things", "updates": [{"q": unfilled, "u": change}]})

    await empty.command({"collMod": "things", "validator": validator_of(New, lacking(New, None)), "writeConcern": MAJORITY})
    renaming = asyncio.create_task(rename())
    async with asyncio.timeout(20):
        await fill(empty, New, lacking(New, validator_of(Old)))
    done.set()
    await renaming
    for document in await things(empty):
        assert document["shout"] == [document["name"].upper(), "7"]


async def test_two_migrations_at_once_fill_once(empty: Database) -> None:
    await insert(empty, *(thing(number) for number in range(30)))
    async with asyncio.timeout(20):
        await asyncio.gather(*(migrate(empty, (New,)) for _ in range(3)))
    assert (await migrate(empty, (New,))).lines == ()
    assert {document["size"] for document in await things(empty)} == {7}


def test_a_row_that_lacks_a_column_is_read_with_its_default(scope: Scope) -> None:
    row = New.from_document(thing(1))
    assert (row.size, row.colour, row.shout) == (7, None, ["N1", "7"])
    document = product(scope).to_document()
    del document["search_keys"]
    assert "name" in fillable(Member)
    assert not {"user_id", "role", "_id", "account_id"} & fillable(Member)
