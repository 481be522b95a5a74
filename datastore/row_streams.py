"""Long lists read to their end in constant memory, for exports: one account's rows in the order of an index.

All comes from one snapshot for as long as the server keeps it (five minutes, unless `minSnapshotHistoryWindowInSeconds` says otherwise).
A reader that takes longer goes on at a newer one, behind the last row that it was given: it misses no row whose key in the index stays as
it was, and gets none twice; rows that were made, changed or deleted meanwhile it may see either way. There is no cursor on the server that
could time out, and nothing is read ahead: who stops asking costs nothing.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Final, TypeVar

from datastore.database import Database, Document, SnapshotLostError, timestamp_of, version_from
from datastore.keys import KeyValue
from datastore.legs import fetch
from datastore.paging import UNBOUNDED, Scan, Unbounded, scan_of
from datastore.reading import owned_table
from datastore.rights import view_of
from datastore.scope import Scope
from datastore.tables import OwnedRow
from datastore.versions import Version

Owned = TypeVar("Owned", bound=OwnedRow)

BATCH: Final = 500
"""Rows at once: what is made of them holds up the event loop for some milliseconds."""

READ_LIMIT_MS: Final = 30_000
_TRIES: Final = 3


async def stream_rows(
    database: Database,
    scope: Scope,
    table: type[Owned],
    index: str,
    equals: Sequence[KeyValue] = (),
    *,
    low: KeyValue | Unbounded = UNBOUNDED,
    high: KeyValue | Unbounded = UNBOUNDED,
) -> AsyncGenerator[tuple[Owned, ...], None]:
    """The scope's rows whose first keys in an index are `equals`, in batches; on the next key in `[low, high)`.

    Raises ForbiddenError where its role may not go through them, UnavailableError where the database is lost on the way.
    """
    snapshots = _Snapshots(database)
    view = view_of(owned_table(table), scope.role)
    view.check_scan(index, tuple(equals), scope.user_id)
    scan = scan_of(table, index, scope.account_id, equals, low=low, high=high)
    while True:
        documents = await snapshots.read(scan)
        rows = tuple(map(table.from_document, documents))
        if rows:
            yield tuple(map(view.masked, rows)) if view.hidden else rows
        if len(rows) < BATCH:
            return
        scan = scan.behind(rows[-1])


class _Snapshots:
    """The newest snapshot, then the same one again, then the newest where that one is lost."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: Version | None = None

    async def read(self, scan: Scan) -> list[Document]:
        """The first rows of a scan. Raises UnavailableError."""
        leg = scan.leg(BATCH)
        if leg is None:
            return []
        for _ in range(_TRIES - 1):
            try:
                return (await fetch([leg], self._send))[0]
            except SnapshotLostError:
                self._version = None
        return (await fetch([leg], self._send))[0]

    async def _send(self, command: Document) -> Document:
        concern: Document = {"level": "snapshot"}
        if self._version is not None:
            concern["atClusterTime"] = timestamp_of(self._version)
        reply = await self._database.read({**command, "readConcern": concern, "maxTimeMS": READ_LIMIT_MS})
        if self._version is None:
            self._version = version_from(reply["cursor"]["atClusterTime"])
        return reply
