"""Reading whole tables at one moment, in constant memory: for verification, which looks at the rows of every account.

Nothing here is narrowed by a scope, and nothing keeps a read set; a test holds who may use it. The server keeps a moment readable for five
minutes (`minSnapshotHistoryWindowInSeconds`), less when it is hard pressed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from pymongo.errors import PyMongoError

from datastore.columns import columns_of
from datastore.database import Database, Document, Session, SnapshotLostError, judge, timestamp_of
from datastore.paging import index_presence
from datastore.schema import Account
from datastore.tables import OwnedRow, Row
from datastore.versions import Version

BATCH: Final = 2000
"""Rows in one answer of the server."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Reads of all accounts' rows as they were at one moment, as plain documents of the columns that are asked for and `_id`.

    Every method raises SnapshotLostError once the moment lies too far back, UnavailableError where the server is lost on the way, TypeError
    for columns or keys that the table has not, KeyError for an index that it has not.
    """

    database: Database
    version: Version

    @classmethod
    async def now(cls, database: Database) -> Self:
        """The present moment: all that has been acknowledged by now is in it."""
        return cls(database, await database.ping())

    @property
    def time(self) -> datetime:
        """When it is, UTC, to the second before."""
        return datetime.fromtimestamp(timestamp_of(self.version).time, UTC)

    async def stream(
        self,
        table: type[OwnedRow],
        index: str,
        columns: Iterable[str],
        *,
        low: str = "",
        high: str = "",
        equals: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[list[Document], None]:
        """Every row of the accounts from `low` up to `high` (not included; empty: to the last), in batches, in the order of an index.

        `equals` narrows the rows to those whose keys of the index have these values. Of a unique index over columns that may be null, rows
        are left out in which one is. Close what is not read to its end (`contextlib.aclosing`).
        """
        keys = _keys(table, index)
        if unknown := (equals or {}).keys() - set(keys):
            raise TypeError(f"{table.spec.name}.{index} has no {', '.join(sorted(unknown))}")
        belonging = {"account_id": {"$gte": low, **({"$lt": high} if high else {})}}
        condition = belonging | {name: {"$eq": value} for name, value in (equals or {}).items()}
        command = _find(table, condition | index_presence(table, table.spec.by_name[index]), columns)
        async with aclosing(self._batches({**command, "sort": dict.fromkeys(keys, 1), "hint": index})) as batches:
            async for batch in batches:
                yield batch

    async def by_ids(self, table: type[Row], ids: Collection[str], columns: Iterable[str] = ()) -> list[Document]:
        """The rows with these ids, whoever owns them; those that exist."""
        return await self._all({**_find(table, {"_id": {"$in": list(ids)}}, columns), "hint": "_id_"})

    async def relatives(
        self, table: type[OwnedRow], index: str, ids_by_account: Mapping[str, Sequence[str]], columns: Iterable[str]
    ) -> list[Document]:
        """The rows whose first key in an index is one of the ids, each looked for in its own account."""
        async with aclosing(self.stream_relatives(table, index, ids_by_account, columns)) as batches:
            return [document async for batch in batches for document in batch]

    async def stream_relatives(
        self, table: type[OwnedRow], index: str, ids_by_account: Mapping[str, Sequence[str]], columns: Iterable[str]
    ) -> AsyncGenerator[list[Document], None]:
        """The same in batches, however many they are. Close what is not read to its end (`contextlib.aclosing`)."""
        if not ids_by_account:
            return
        command = {**_find(table, _related(table, index, ids_by_account), columns), "hint": index}
        async with aclosing(self._batches(command)) as batches:
            async for batch in batches:
                yield batch

    async def count(self, table: type[Row], account: str | None = None) -> int:
        """How many rows a table has, in all or of one account."""
        belonging: Document = {} if account is None else {"account_id": {"$eq": account}}
        hint = "_id_" if account is None else next(index.name for index in table.spec.indexes if not index_presence(table, index))
        stages = [{"$match": belonging}, {"$count": "rows"}]
        found = await self._all({"aggregate": table.spec.name, "pipeline": stages, "cursor": {}, "hint": hint})
        return sum(group["rows"] for group in found)

    async def accounts(self) -> AsyncIterator[str]:
        """The ids of all accounts, in the order of their making."""
        command = {**_find(Account, {}, ()), "sort": {"_id": 1}, "hint": "_id_"}
        async with aclosing(self._batches(command)) as batches:
            async for batch in batches:
                for document in batch:
                    yield document["_id"]

    async def _all(self, command: Document) -> list[Document]:
        async with aclosing(self._batches(command)) as batches:
            return [document async for batch in batches for document in batch]

    async def _batches(self, command: Document) -> AsyncGenerator[list[Document], None]:
        session = await self.database.start_session()
        cursor = _Cursor(self.database, session, next(iter(command.values())))
        try:
            cursor.open({**command, "readConcern": {"level": "snapshot", "atClusterTime": timestamp_of(self.version)}})
            while (batch := await cursor.next_batch()) is not None:
                if batch:
                    yield batch
        finally:
            await cursor.close()
            await session.end_session()


async def account_ids(database: Database, *, after: str, first: int) -> list[str]:
    """The ids of the first accounts behind one, or from the first on where that is empty."""
    command = {**_find(Account, {"_id": {"$gt": after}}, ()), "sort": {"_id": 1}, "limit": first, "batchSize": first + 1}
    reply = await database.read({**command, "hint": "_id_", "readConcern": {"level": "majority"}})
    return [document["_id"] for document in reply["cursor"]["firstBatch"]]


class _Cursor:
    """A cursor of the server, which belongs to a session; a batch is fetched while the one before it is worked through."""

    def __init__(self, database: Database, session: Session, collection: str) -> None:
        self._database = database
        self._session = session
        self._collection = collection
        self._id = 0
        self._under_way: asyncio.Task[list[Document]] | None = None

    def open(self, command: Document) -> None:
        """Sends the command whose answer the first batch is."""
        self._under_way = asyncio.create_task(self._fetch(command, "firstBatch"))

    async def next_batch(self) -> list[Document] | None:
        """The next batch; None behind the last. The one after it is then on its way."""
        if self._under_way is None:
            return None
        batch = await asyncio.shield(self._under_way)  # a thread of the driver uses the session: that is waited for in `close`
        self._under_way = None
        if self._id:
            command = {"getMore": self._id, "collection": self._collection, "batchSize": BATCH}
            self._under_way = asyncio.create_task(self._fetch(command, "nextBatch"))
        return batch

    async def close(self) -> None:
        """Lets go of what the server holds for it."""
        if self._under_way is not None:
            await asyncio.gather(self._under_way, return_exceptions=True)  # who waited for it has been told
        if self._id:
            await self._send({"killCursors": self._collection, "cursors": [self._id]})

    async def _fetch(self, command: Document, name: str) -> list[Document]:
        self._id, opened = 0, self._id  # one that failed is gone on the server too
        cursor: dict[str, Any] = (await self._send(command))["cursor"]
        if not opened and "atClusterTime" not in cursor:
            raise SnapshotLostError(f"The table {self._collection} is missing in the database: run tillstream migrate.")
        self._id = cursor["id"]
        documents: list[Document] = cursor[name]
        return documents

    async def _send(self, command: Document) -> Document:
        try:
            return await self._database.command(command, session=self._session)
        except PyMongoError as error:
            judged = judge(error)
            if isinstance(judged, SnapshotLostError):
                raise SnapshotLostError(
                    "The moment that is being read lies too far back: the server keeps it for five minutes, unless its"
                    " minSnapshotHistoryWindowInSeconds says otherwise. Read less at a time, or set that higher."
                ) from error
            raise judged from error


def _find(table: type[Row], condition: Document, columns: Iterable[str]) -> Document:
    wanted = ["_id", *columns]
    _check_columns(table, wanted)
    return {"find": table.spec.name, "filter": condition, "projection": dict.fromkeys(wanted, 1), "batchSize": BATCH}


def _check_columns(table: type[Row], columns: Collection[str]) -> None:
    unknown = set(columns) - columns_of(table).keys()
    if unknown:
        raise TypeError(f"{table.spec.name} has no {', '.join(sorted(unknown))}")


def _keys(table: type[Row], index: str) -> tuple[str, ...]:
    keys = table.spec.stored_keys(table.spec.by_name[index])
    if any(columns_of(table)[key].kind == "strings" for key in keys):
        raise TypeError(f"{table.spec.name}.{index} holds a row several times")
    return keys


def _related(table: type[OwnedRow], index: str, ids_by_account: Mapping[str, Sequence[str]]) -> Document:
    key = table.spec.by_name[index].keys[0]
    return {"$or": [{"account_id": {"$eq": account}, key: {"$in": list(ids)}} for account, ids in ids_by_account.items()]}
