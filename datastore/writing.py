"""What a mutation writes with: a Writer for the tables of one account, an IdentityWriter for users, sessions and the like.

Both work inside one transaction and see its own writes. They keep no read set: a mutation is not live.
"""

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self, TypeVar, cast

from datastore.deleting import delete_listed, delete_row
from datastore.errors import NotFoundError
from datastore.ids import check_id
from datastore.keys import KeyValue
from datastore.paging import UNBOUNDED, Scan, Unbounded, check_first, scan_of
from datastore.reading import MAX_LISTED, identity_table, owned_table, unique_scan
from datastore.references import check_changeable, get_rows, guard_rows
from datastore.rights import Act, View, is_masked, view_of
from datastore.rows import get_row, increment_row, insert_row, insert_rows, update_row, update_rows
from datastore.schema import Counter
from datastore.schema_jobs import JobTicket
from datastore.scope import Role, Scope
from datastore.tables import IdentityRow, OwnedRow, Row, TallyRow
from datastore.tallies import Sums, next_number, tally_rows
from datastore.transactions import Transaction

AnyRow = TypeVar("AnyRow", bound=Row)
Owned = TypeVar("Owned", bound=OwnedRow)
Identity = TypeVar("Identity", bound=IdentityRow)


class Writer:
    """Reads and writes of one account's rows in a transaction; `address` is where the caller's request came from, if that is known.

    What the scope's role may not do (`datastore/rights.py`) raises ForbiddenError, before the database is asked. The methods that begin
    with an underscore are how it is done, whoever asks; `BulkWriter` does it otherwise.
    """

    def __init__(self, transaction: Transaction, scope: Scope, address: str = "") -> None:
        self.scope = scope
        self.address = address
        self._role: Role | None = scope.role
        self._transaction = transaction
        self._owner = scope.account_id

    @property
    def for_business(self) -> Self:
        """The same transaction, reading and writing as the business itself: everything, whatever the caller's role.

        For what follows from a row that the caller may write: the ledger entry of a sale, say. A test holds who may use it. A row that was
        read by who is not shown all of it cannot be changed by this.
        """
        writer = copy.copy(self)
        writer._role = None  # noqa: SLF001  a copy of itself
        return writer

    def acting_as(self, scope: Scope, address: str = "") -> Self:
        """The same transaction for another member of the account."""
        if scope.account_id != self._owner:
            raise ValueError(f"a writer of {self._owner} cannot write for {scope.account_id}")
        writer = copy.copy(self)
        writer.scope, writer.address = scope, address
        writer._role = scope.role  # noqa: SLF001  a copy of itself
        return writer

    @property
    def limited(self) -> bool:
        """Whether the caller's role limits what it does."""
        return self._role is not None

    @property
    def now(self) -> datetime:
        """When the transaction began, UTC: what rows that it writes are dated by."""
        return self._transaction.now

    @property
    def changed(self) -> bool:
        """Whether the transaction has made, changed or deleted a row so far."""
        return self._transaction.changed

    def require(self, act: Act, table: type[OwnedRow]) -> None:
        """Raises ForbiddenError where the caller may not do this with rows of the table: for a function that would find out late."""
        self._view(table, act)

    async def get(self, table: type[Owned], id: str) -> Owned | None:
        """The account's row with this id, as this transaction sees it, if the caller may see it."""
        view = self._view(table, "read")
        row = await self._get(table, id)
        return None if row is None else view.shows(row, self.scope.user_id)

    async def get_all(self, table: type[Owned], ids: Sequence[str]) -> dict[str, Owned]:
        """The account's rows with these ids, by id; those that exist and that the caller may see. One read."""
        view = self._view(table, "read")
        rows = {id: view.shows(row, self.scope.user_id) for id, row in (await self._get_all(table, ids)).items()}
        return {id: row for id, row in rows.items() if row is not None}

    async def get_existing(self, table: type[Owned], id: str, path: str = "id") -> Owned:
        """The account's row with this id. Raises NotFoundError where there is none, InvalidInputError at `path` for another kind."""
        check_id(id, table.spec.prefix, table.spec.noun, path)
        row = await self.get(table, id)
        if row is None:
            raise NotFoundError(f"{path}: there is no such {table.spec.noun}.")
        return row

    async def find(self, table: type[Owned], index: str, *keys: KeyValue) -> Owned | None:
        """The account's one row with these keys in a unique index, all of them given; None where one is null."""
        view = self._view(table, "read")
        row = await self._find(table, index, *keys)
        return None if row is None else view.shows(row, self.scope.user_id)

    async def scan(
        self,
        table: type[Owned],
        index: str,
        equals: Sequence[KeyValue],
        *,
        first: int,
        descending: bool = False,
        low: KeyValue | Unbounded = UNBOUNDED,
        high: KeyValue | Unbounded = UNBOUNDED,
        after: Owned | None = None,
    ) -> tuple[Owned, ...]:
        """The account's first rows (1,000 at most) whose first keys in an index are `equals`, as in `Reader.page`.

        `after`: those that come behind this row, which the scan gave last.
        """
        check_first(first, MAX_LISTED)
        view = self._view(table, "read")
        view.check_scan(index, tuple(equals), self.scope.user_id)
        scan = scan_of(table, index, self._owner, equals, descending=descending, low=low, high=high)
        rows = await self._scan(table, scan if after is None else scan.behind(after), first)
        return tuple(map(view.masked, rows)) if view.hidden else rows

    async def insert(self, row: Owned) -> Owned:
        """Store a new row; the row as it is stored (times in whole milliseconds).

        What it refers to must exist in the account, and is guarded. Raises InvalidInputError for a field that is wrong or too long,
        ConflictError where a unique index has its keys already, NotFoundError for a reference to nothing.
        """
        return (await self.insert_all([row]))[0]

    async def insert_all(self, rows: Sequence[Owned]) -> tuple[Owned, ...]:
        """Store new rows of one table with one command (one for each thousand rows or 8 MiB). Raises as `insert` does."""
        for row in rows:
            self._check_own(row, "insert")
        stored = await self._insert_all(rows)
        return tuple(self._view(type(row)).masked(row) for row in stored)

    async def update(self, row: Owned, **changes: object) -> Owned:
        """Change columns of a row; the new row. Nothing is written where nothing differs.

        Raises ConflictError where the row is no longer as it was read, else as `insert` does.
        """
        return (await self.update_all([(row, changes)]))[0]

    async def update_all(self, changes: Sequence[tuple[Owned, Mapping[str, object]]]) -> tuple[Owned, ...]:
        """Change columns of several rows of one table, each row once, with one command; the new rows.

        Raises ConflictError where one is no longer as it was read, else as `update` does.
        """
        for row, _ in changes:
            self._check_changeable(row, "change")
        return await self._update_all(changes)

    async def tally(self, table: type[TallyRow], sums: Sums) -> None:
        """Add to the account's rows of sums, each named by the keys of the table's index `by_key`; one command.

        A row that is not there yet is made; what is 0 is left out. Raises InvalidInputError where a sum would leave 64 bits.
        """
        self._view(table, "insert").check("change")
        await self._tally(table, sums)

    async def next_number(self, series: str, count: int = 1) -> int:
        """The account's next number of a gapless series, the first of `count`; 1 comes first. A transaction that fails took none."""
        self._view(Counter, "insert").check("change")
        return await self._next_number(series, count)

    async def increment(self, row: Owned, **deltas: int) -> Owned:
        """Add to integer columns of the row as it now is in this transaction, however old `row` is. Raises as `update` does."""
        self._check_changeable(row, "change")
        return await self._increment(row, deltas)

    async def delete(self, row: OwnedRow) -> None:
        """Delete a row and follow the references to it. Raises ConflictError where it is gone, or a row restricts it."""
        self._check_changeable(row, "delete")
        await self._delete(row)

    async def guard(self, row: OwnedRow) -> None:
        """Serialise with every other transaction that writes or guards this row: for decisions that rest on rows not written here.

        Raises ConflictError where it is gone.
        """
        self._check_changeable(row, "read")
        await self._guard(row)

    async def put_ticket(self, ticket: JobTicket) -> None:
        """Store the ticket of a job of the account's, by which a worker finds it (`datastore/jobs.py`)."""
        if ticket.account_id != self._owner:
            raise ValueError(f"the ticket {ticket.id} belongs to another account")
        await insert_row(self._transaction, None, ticket)

    async def drop_ticket(self, job: OwnedRow) -> None:
        """Delete the ticket of a job of the account's, if it has one."""
        self._check_own(job, "change")
        await delete_listed(self._transaction, None, JobTicket, "by_job", (job.id,))

    async def _get(self, table: type[Owned], id: str) -> Owned | None:
        return cast("Owned | None", await get_row(self._transaction, self._owner, table, id))

    async def _get_all(self, table: type[Owned], ids: Sequence[str]) -> dict[str, Owned]:
        return cast("dict[str, Owned]", await get_rows(self._transaction, self._owner, table, ids))

    async def _find(self, table: type[Owned], index: str, *keys: KeyValue) -> Owned | None:
        return await _find(self._transaction, table, unique_scan(table, index, self._owner, keys))

    async def _scan(self, table: type[Owned], scan: Scan, first: int) -> tuple[Owned, ...]:
        return await _rows(self._transaction, table, scan, first)

    async def _insert_all(self, rows: Sequence[Owned]) -> tuple[Owned, ...]:
        return await insert_rows(self._transaction, self._owner, rows)

    async def _update_all(self, changes: Sequence[tuple[Owned, Mapping[str, object]]]) -> tuple[Owned, ...]:
        return await update_rows(self._transaction, self._owner, changes)

    async def _tally(self, table: type[TallyRow], sums: Sums) -> None:
        await tally_rows(self._transaction, self._owner, table, sums)

    async def _next_number(self, series: str, count: int) -> int:
        return await next_number(self._transaction, self._owner, series, count)

    async def _increment(self, row: Owned, deltas: Mapping[str, int]) -> Owned:
        return await increment_row(self._transaction, self._owner, row, deltas)

    async def _delete(self, row: OwnedRow) -> None:
        await delete_row(self._transaction, self._owner, row)

    async def _guard(self, row: OwnedRow) -> None:
        await guard_rows(self._transaction, self._owner, type(row), [row.id])

    def _view(self, table: type[OwnedRow], act: Act | None = None) -> View:
        """How the caller sees a table. Raises ForbiddenError where they may not do this with its rows."""
        view = view_of(owned_table(table), self._role)
        if act is not None:
            view.check(act)
        return view

    def _check_changeable(self, row: OwnedRow, act: Act) -> None:
        check_changeable(type(row))
        self._check_own(row, act)
        if is_masked(row):
            raise TypeError(f"the {row.spec.noun} {row.id} was read without some of its columns: read it as who is to change it")

    def _check_own(self, row: OwnedRow, act: Act) -> None:
        view = self._view(type(row), act)
        if row.account_id != self._owner:
            raise ValueError(f"the {row.spec.noun} {row.id} belongs to another account")
        view.check_reach(row, self.scope.user_id)


class IdentityWriter:
    """Reads and writes of the tables of identity. Only internal functions of the modules that own those tables are given one."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def get(self, table: type[Identity], id: str) -> Identity | None:
        """The row with this id."""
        return cast("Identity | None", await get_row(self._transaction, None, identity_table(table), id))

    async def find(self, table: type[Identity], index: str, *keys: KeyValue) -> Identity | None:
        """The one row with these keys in a unique index, all of them given; None where one is null."""
        return await _find(self._transaction, table, unique_scan(identity_table(table), index, None, keys))

    async def list(self, table: type[Identity], index: str, *keys: KeyValue) -> tuple[Identity, ...]:
        """The rows that begin with these keys in an index, in its order, the first thousand at most."""
        return await _rows(self._transaction, table, scan_of(identity_table(table), index, None, keys), MAX_LISTED)

    async def insert(self, row: Identity) -> Identity:
        """Store a new row. Raises as `Writer.insert` does."""
        identity_table(type(row))
        return await insert_row(self._transaction, None, row)

    async def update(self, row: Identity, **changes: object) -> Identity:
        """Change columns of a row. Raises as `Writer.update` does."""
        identity_table(type(row))
        return await update_row(self._transaction, None, row, changes)

    async def guard(self, row: IdentityRow) -> None:
        """Serialise with every other transaction that writes or guards this row. Raises ConflictError where it is gone."""
        await guard_rows(self._transaction, None, identity_table(type(row)), [row.id])

    async def delete(self, row: IdentityRow) -> None:
        """Delete a row and follow the references to it. Raises ConflictError where it is gone, or a row restricts it."""
        identity_table(type(row))
        await delete_row(self._transaction, None, row)

    async def delete_all(self, table: type[IdentityRow], index: str, *keys: str) -> int:
        """Delete all rows that begin with these keys in an index; how many there were."""
        return await delete_listed(self._transaction, None, identity_table(table), index, keys)


async def _find(transaction: Transaction, table: type[AnyRow], scan: Scan) -> AnyRow | None:
    if None in scan.equals:
        return None
    return next(iter(await _rows(transaction, table, scan, 1)), None)


async def _rows(transaction: Transaction, table: type[AnyRow], scan: Scan, limit: int) -> tuple[AnyRow, ...]:
    leg = scan.leg(limit)
    if leg is None:
        return ()
    rows = tuple(map(table.from_document, await transaction.batcher.fetch(leg)))
    transaction.batcher.met(scan.owner, rows)
    return rows
