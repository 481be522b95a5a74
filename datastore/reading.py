"""The reads of one run: one snapshot, one scope, one read set.

A run that is live, a plain query and the re-run after a change all read through this. There is no read without an index, and on an owned
table none without a scope: the account is the first key of every filter. What the scope's role may read, and which columns it is shown, is
what the table declares (`datastore/rights.py`).
"""

import asyncio
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Generic, Self, TypeVar, cast

from datastore.batching import Batcher
from datastore.cursors import Cursors
from datastore.database import Database, Document, SnapshotLostError, timestamp_of, version_from
from datastore.errors import ForbiddenError
from datastore.ids import prefix_of
from datastore.keys import KeyValue
from datastore.legs import Leg
from datastore.paging import UNBOUNDED, Scan, Unbounded, check_first, scan_of
from datastore.rarest import READ_LIMIT_MS, check_all_examined, rarest_first
from datastore.read_set import ReadSet
from datastore.rights import CallerUse, View, view_of
from datastore.schema import TABLES_BY_PREFIX
from datastore.scope import Role, Scope
from datastore.tables import IdentityRow, OwnedRow, Row
from datastore.versions import BEGINNING, Version

AnyRow = TypeVar("AnyRow", bound=Row)
Owned = TypeVar("Owned", bound=OwnedRow)
Identity = TypeVar("Identity", bound=IdentityRow)

MAX_FIRST: Final = 100
"""Rows in one page."""

MAX_LISTED: Final = 1000
"""Rows of identity in one list."""

_OPENING_TRIES: Final = 3


@dataclass(frozen=True)
class Page(Generic[AnyRow]):
    """Some consecutive rows of a list.

    `has_previous_page` says that the page began behind a cursor. Cursors are signed when asked for: most pages need at most the last.
    """

    rows: tuple[AnyRow, ...]
    has_next_page: bool
    has_previous_page: bool
    cursor_at: Callable[[int], str] = field(repr=False, compare=False)
    """The cursor of the row at a position."""

    @cached_property
    def cursors(self) -> tuple[str, ...]:
        """The cursor of every row."""
        return tuple(map(self.cursor_at, range(len(self.rows))))


class Snapshot:
    """One moment of the database, chosen by the first read, and what has been read of it.

    `floor` is a version that the snapshot must not be older than: a newly elected primary may offer one that is. Any read may raise
    SnapshotLostError (run everything again) or UnavailableError.
    """

    def __init__(self, database: Database, floor: Version = BEGINNING) -> None:
        self.read_set = ReadSet()
        self.version: Version | None = None
        self._database = database
        self._floor = floor
        self._batcher = Batcher(self._send, database.command)

    async def get(self, table: type[AnyRow], owner: str | None, id: str) -> AnyRow | None:
        """The row with this id, if it is the owner's. Ids of another form than the table's are never there."""
        self.read_set.saw(id)
        if prefix_of(id) != table.spec.prefix:
            return None
        return cast("AnyRow | None", await self._batcher.get(table, owner, id))

    async def scan(self, scan: Scan, limit: int) -> list[Document]:
        """The documents of the first `limit` rows of a scan; what was scanned and seen is recorded.

        Raises TooComplexError where too many rows would have to be looked at for them.
        """
        if scan.leg(limit) is None:
            return []
        scan, examined = await rarest_first(scan, self._database.read)
        documents = await self._batcher.fetch(cast("Leg", scan.leg(limit, examined)))
        self.read_set.scanned(scan.interval(documents[-1] if len(documents) == limit else None))
        self.read_set.seen.update(document["_id"] for document in documents)
        if examined is not None and len(documents) < limit:
            await check_all_examined(scan, examined, self._send)
        return documents

    def rows(self, scan: Scan, table: type[AnyRow], documents: Sequence[Document]) -> tuple[AnyRow, ...]:
        """The rows of a scan's documents, kept so that reading one of them by its id costs nothing."""
        rows = tuple(map(table.from_document, documents))
        self._batcher.met(scan.owner, rows)
        return rows

    async def _send(self, command: Document) -> Document:
        command["maxTimeMS"] = READ_LIMIT_MS
        if self.version is None:
            return await self._open(command)
        return await self._read_at(self.version, command)

    async def _open(self, command: Document) -> Document:
        """The first read: the server chooses the snapshot, and is overruled where that is too old."""
        reply = await self._read_newest(command)
        version = version_from(reply["cursor"]["atClusterTime"])
        if version < self._floor:
            version = self._floor
            reply = await self._read_at(version, command)
        self.version = version
        self._batcher.overlapping = True
        return reply

    async def _read_newest(self, command: Document) -> Document:
        for _ in range(_OPENING_TRIES - 1):
            try:
                return await self._database.read({**command, "readConcern": {"level": "snapshot"}})
            except SnapshotLostError:  # a collection or index has just been made: newer snapshots will know it
                await asyncio.sleep(0)
        return await self._database.read({**command, "readConcern": {"level": "snapshot"}})

    async def _read_at(self, version: Version, command: Document) -> Document:
        concern = {"level": "snapshot", "atClusterTime": timestamp_of(version)}
        return await self._database.read({**command, "readConcern": concern})


class Reader:
    """Reads of the tables that belong to accounts, as one scope may.

    Every read of rows that the scope's role may not read raises ForbiddenError, before the database is asked. `use` is told where the role
    mattered.
    """

    def __init__(self, snapshot: Snapshot, scope: Scope, cursors: Cursors, use: CallerUse | None = None) -> None:
        self.snapshot = snapshot
        self.scope = scope
        self._cursors = cursors
        self._use = use
        self._role: Role | None = scope.role
        self._for_show = False

    @property
    def shown(self) -> Self:
        """The same reads, of rows that go to the client and are not looked at on the way.

        What the client selects of them is then all that the result rests on, and a change of another column does not run it again.
        """
        reader = copy.copy(self)
        reader._for_show = True  # noqa: SLF001  a copy of itself
        return reader

    @property
    def for_business(self) -> Self:
        """The same reads of the same account, as the business itself: of everything, whatever the caller's role.

        For work that the business does by itself; a test holds who may use it, and that none of it is shown to the caller.
        """
        reader = copy.copy(self)
        reader._role = None  # noqa: SLF001  a copy of itself
        return reader

    @property
    def read_set(self) -> ReadSet:
        """What the run has read so far."""
        return self.snapshot.read_set

    @property
    def version(self) -> Version | None:
        """The version of the snapshot; None before the first read."""
        return self.snapshot.version

    def require(self, table: type[Owned]) -> None:
        """Raises ForbiddenError where the role may not go through the rows of a table: for what is made of them, part by part."""
        self._noted(table).check("list")

    async def get(self, table: type[Owned], id: str) -> Owned | None:
        """The account's row with this id, if the caller may see it."""
        view = self._noted(table)
        row = await self.snapshot.get(table, self.scope.account_id, id)
        return None if row is None else view.shows(row, self.scope.user_id)

    async def node(self, id: str) -> OwnedRow | None:
        """The account's row with this id, of whatever table its prefix names, if the caller may see it."""
        table = TABLES_BY_PREFIX.get(prefix_of(id) or "")
        if table is None or not issubclass(table, OwnedRow):
            self.read_set.saw(id)
            return None
        try:
            return await self.get(table, id)
        except ForbiddenError:
            return None

    async def find(self, table: type[Owned], index: str, *keys: KeyValue) -> Owned | None:
        """The account's one row with these keys in a unique index, all of them given; None where one is null."""
        view = self._noted(table)
        row = await _find(self.snapshot, table, unique_scan(table, index, self.scope.account_id, keys))
        return None if row is None else view.shows(row, self.scope.user_id)

    async def find_all(self, table: type[Owned], index: str, keys: Sequence[Sequence[KeyValue]]) -> list[Owned | None]:
        """For each of many keys what `find` gives, with few commands."""
        return list(await asyncio.gather(*(self.find(table, index, *each) for each in keys)))

    async def page(  # noqa: PLR0913  # all that there is to say of a list
        self,
        table: type[Owned],
        index: str,
        equals: Sequence[KeyValue],
        *,
        first: int,
        also: Sequence[str] = (),
        after: str | None = None,
        descending: bool = False,
        low: KeyValue | Unbounded = UNBOUNDED,
        high: KeyValue | Unbounded = UNBOUNDED,
    ) -> Page[Owned]:
        """The account's first rows behind the cursor `after` whose first keys in an index are `equals`, in the order of its other keys.

        On the first key behind `equals` the rows can be narrowed to the half-open range `[low, high)`. Where a key of the index is a list,
        `equals` names one text of it, and `also` others that a row must have too. Raises InvalidInputError for a `first` outside 1 to 100
        and for a cursor that is not of this very list.
        """
        check_first(first, MAX_FIRST)
        view = self._noted(table)
        view.check_scan(index, tuple(equals), self.scope.user_id)
        scan = scan_of(table, index, self.scope.account_id, equals, also=also, descending=descending, low=low, high=high)
        scan = behind(scan, after, self._cursors)
        documents = await self.snapshot.scan(scan, first + 1)
        rows = self.snapshot.rows(scan, table, documents)
        return page_of(scan, tuple(map(view.masked, rows)) if view.hidden else rows, documents, first, self._cursors)

    def _noted(self, table: type[Owned]) -> View:
        """How the caller sees a table, which the run rests on from now on. Raises ForbiddenError where they see nothing of it."""
        (self.read_set.shown if self._for_show else self.read_set.whole).add(table.spec.name)
        view = view_of(owned_table(table), self._role)
        if self._use is not None:
            view.tell(self._use)
        view.check("read")
        return view


class IdentityReader:
    """Reads of users, sessions and the like. Only internal functions of the modules that own those tables are given one."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    async def get(self, table: type[Identity], id: str) -> Identity | None:
        """The row with this id."""
        self.snapshot.read_set.whole.add(table.spec.name)
        return await self.snapshot.get(identity_table(table), None, id)

    async def find(self, table: type[Identity], index: str, *keys: KeyValue) -> Identity | None:
        """The one row with these keys in a unique index, all of them given; None where one is null."""
        return await _find(self.snapshot, table, unique_scan(identity_table(table), index, None, keys))

    async def list(self, table: type[Identity], index: str, *keys: KeyValue) -> tuple[Identity, ...]:
        """The rows that begin with these keys in an index, in its order, the first thousand at most."""
        scan = scan_of(identity_table(table), index, None, keys)
        return self.snapshot.rows(scan, table, await self.snapshot.scan(scan, MAX_LISTED))

    async def page(
        self, table: type[Identity], index: str, equals: Sequence[KeyValue], *, first: int, after: str | None, cursors: Cursors
    ) -> Page[Identity]:
        """The first rows behind the cursor `after` whose first keys in an index are `equals`, the last of its order first.

        Raises InvalidInputError as `Reader.page` does.
        """
        check_first(first, MAX_FIRST)
        self.snapshot.read_set.whole.add(table.spec.name)
        scan = behind(scan_of(identity_table(table), index, None, equals, descending=True), after, cursors)
        documents = await self.snapshot.scan(scan, first + 1)
        return page_of(scan, self.snapshot.rows(scan, table, documents), documents, first, cursors)


def unique_scan(table: type[Row], index: str, owner: str | None, keys: Sequence[KeyValue]) -> Scan:
    """The scan of one entry of a unique index. Raises TypeError for another index, or where keys are missing."""
    declared = table.spec.by_name[index]
    if not declared.unique or len(keys) != len(declared.keys):
        raise TypeError(f"find takes all keys of a unique index; {table.spec.name}.{index} is {declared}")
    return scan_of(table, index, owner, keys)


def behind(scan: Scan, after: str | None, cursors: Cursors) -> Scan:
    """The scan as it goes on behind a cursor. Raises InvalidInputError where the cursor is not of this list."""
    return scan if after is None else replace(scan, after=cursors.open(scan.context, after))


def page_of(scan: Scan, rows: tuple[AnyRow, ...], documents: Sequence[Document], first: int, cursors: Cursors) -> Page[AnyRow]:
    """The page of a scan that was read one row further than it is long."""

    def cursor_at(position: int) -> str:
        return cursors.sign(scan.context, [documents[position][key] for key in scan.free_keys])

    return Page(rows[:first], len(rows) > first, scan.after is not None, cursor_at)


async def _find(snapshot: Snapshot, table: type[AnyRow], scan: Scan) -> AnyRow | None:
    if None in scan.equals:
        return None
    # Beyond a unique entry there is nothing to scan, so a second row is asked for: the interval is then the whole entry.
    documents = await snapshot.scan(scan, 2)
    return next(iter(snapshot.rows(scan, table, documents)), None)


def owned_table(table: type[Owned]) -> type[Owned]:
    """The table, which belongs to accounts. Raises TypeError for one that does not."""
    if not issubclass(table, OwnedRow):
        raise TypeError(f"{table.__name__} belongs to no account: only an IdentityReader reads it")
    return table


def identity_table(table: type[Identity]) -> type[Identity]:
    """The table, which is one of identity. Raises TypeError for one that is not."""
    if not issubclass(table, IdentityRow):
        raise TypeError(f"{table.__name__} belongs to accounts: a Reader reads it, with a scope")
    return table
