"""Writing in bulk: the mutations of a whole chunk as one transaction, their rows sent together.

A `BulkWriter` is a `Writer` that keeps in memory what it is given to write, and shows it to what reads after that; `flush` sends it, a few
commands for hundreds of mutations. The functions of the business run on it as on any other, so that what they hold true holds for what was
made in bulk; every check of the datastore is made when it is sent.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter
from typing import Any, TypeVar, cast

from datastore.errors import ConflictError
from datastore.keys import KeyValue, encode_key
from datastore.paging import UNBOUNDED, Scan, Unbounded, list_key, scan_of
from datastore.reading import MAX_LISTED, owned_table
from datastore.schema import TABLES, Counter, JobTicket
from datastore.scope import Scope
from datastore.tables import OwnedRow, Row, TallyRow
from datastore.tallies import Sums
from datastore.transactions import Transaction
from datastore.validation import fields_of
from datastore.writing import Writer

Owned = TypeVar("Owned", bound=OwnedRow)

_KEPT_BY_WRITER = {"id", "account_id", "created_at", "updated_at"}


class NotInBulkError(TypeError):
    """Something that can only be done by a writer that sends at once."""


@dataclass(slots=True)
class _Touched:
    """A row that was written: as it was read (None: it is new), and as it is now."""

    before: OwnedRow | None
    now: OwnedRow

    def changes(self) -> dict[str, Any]:
        """The columns that differ."""
        was = {} if self.before is None else fields_of(self.before)
        return {name: value for name, value in fields_of(self.now).items() if name not in _KEPT_BY_WRITER and was[name] != value}


class BulkWriter(Writer):
    """Reads and writes of one account's rows in a transaction, the writes kept until `flush`. Nothing can be deleted."""

    def __init__(self, transaction: Transaction, scope: Scope) -> None:
        super().__init__(transaction, scope)
        self._touched: dict[type[Row], dict[str, _Touched]] = {}
        self._found: dict[tuple[object, ...], OwnedRow | None] = {}
        """What is stored under the keys of unique indexes that were asked for."""
        self._sums: dict[type[TallyRow], dict[tuple[KeyValue, ...], dict[str, int]]] = {}
        self._numbers: dict[str, tuple[int, int]] = {}
        """Of each series: the first and the last that were given."""
        self._tickets: list[JobTicket] = []
        self.given = 0
        """How many rows, sums and numbers it has been given to write."""

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Forget what the block gave to write if it raises, as if it had never been."""
        touched = {table: dict(rows) for table, rows in self._touched.items()}
        sums = {table: {key: dict(row) for key, row in rows.items()} for table, rows in self._sums.items()}
        numbers, tickets, given = dict(self._numbers), list(self._tickets), self.given
        try:
            yield
        except BaseException:
            self._touched, self._sums, self._numbers, self._tickets, self.given = touched, sums, numbers, tickets, given
            raise

    async def flush(self) -> None:
        """Sends everything. Raises as the methods that gave it do."""
        for series, (first, last) in self._numbers.items():
            await super().next_number(series, last - first + 1)
        for table in TABLES:  # in their order, what is referred to comes before what refers to it
            rows = self._touched.get(table, {}).values()
            await super().insert_all([row.now for row in rows if row.before is None])
            await super().update_all([(row.before, row.changes()) for row in rows if row.before is not None])
        for tally, sums in self._sums.items():
            await super().tally(tally, sums)
        for ticket in self._tickets:
            await super().put_ticket(ticket)
        for kept in (self._touched, self._found, self._sums, self._numbers, self._tickets):
            kept.clear()

    async def get(self, table: type[Owned], id: str) -> Owned | None:
        """As `Writer.get`."""
        mine = self._of(table).get(id)
        return cast("Owned", mine.now) if mine is not None else await super().get(table, id)

    async def get_all(self, table: type[Owned], ids: Sequence[str]) -> dict[str, Owned]:
        """As `Writer.get_all`."""
        mine = self._of(table)
        there = await super().get_all(table, [id for id in ids if id not in mine])
        return there | {id: cast("Owned", mine[id].now) for id in ids if id in mine}

    async def find(self, table: type[Owned], index: str, *keys: KeyValue) -> Owned | None:
        """As `Writer.find`."""
        for row in self._matching(table, scan_of(owned_table(table), index, self._owner, keys)):
            return row
        entry = (table, index, *keys)
        if entry not in self._found:
            self._found[entry] = await super().find(table, index, *keys)
        stored = cast("Owned | None", self._found[entry])
        return None if stored is not None and stored.id in self._of(table) else stored

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
        """As `Writer.scan`; NotInBulkError for an index of a list, for nothing that is made in bulk searches."""
        if list_key(table, table.spec.by_name[index]) is not None:
            raise NotInBulkError(f"{table.spec.name}.{index} is not read in bulk")
        mine = self._of(table)
        scan = scan_of(owned_table(table), index, self._owner, equals, descending=descending, low=low, high=high)
        scan = scan if after is None else scan.behind(after)
        wanted = min(MAX_LISTED, first + sum(row.before is not None for row in mine.values()))
        stored = await super().scan(table, index, equals, first=wanted, descending=descending, low=low, high=high, after=after)
        rows = [*(row for row in stored if row.id not in mine), *self._matching(table, scan)]
        return tuple(sorted(rows, key=lambda row: _key(scan, row), reverse=descending)[:first])

    async def insert(self, row: Owned) -> Owned:
        """As `Writer.insert`, checked when it is sent."""
        return (await self.insert_all([row]))[0]

    async def insert_all(self, rows: Sequence[Owned]) -> tuple[Owned, ...]:
        """As `Writer.insert_all`, checked when they are sent."""
        for row in rows:
            self._check_own(row)
            self._of(type(row))[row.id] = _Touched(None, row)
        self.given += len(rows)
        return tuple(rows)

    async def update(self, row: Owned, **changes: object) -> Owned:
        """As `Writer.update`, checked when it is sent."""
        return (await self.update_all([(row, changes)]))[0]

    async def update_all(self, changes: Sequence[tuple[Owned, Mapping[str, object]]]) -> tuple[Owned, ...]:
        """As `Writer.update_all`, checked when they are sent."""
        return tuple([self._update(row, columns) for row, columns in changes])

    async def increment(self, row: Owned, **deltas: int) -> Owned:
        """As `Writer.increment`, checked when it is sent."""
        current = await self.get(type(row), row.id)
        if current is None:
            raise ConflictError(f"This {row.spec.noun} was deleted meanwhile.")
        return self._update(current, {name: getattr(current, name) + delta for name, delta in deltas.items()})

    async def tally(self, table: type[TallyRow], sums: Sums) -> None:
        """As `Writer.tally`, sent with all others."""
        kept = self._sums.setdefault(table, {})
        self.given += len(sums)
        for key, deltas in sums.items():
            row = kept.setdefault(key, {})
            for column, delta in deltas.items():
                row[column] = row.get(column, 0) + delta

    async def next_number(self, series: str, count: int = 1) -> int:
        """As `Writer.next_number`."""
        if series not in self._numbers:
            counter = await super().find(Counter, "by_series", series)
            last = 0 if counter is None else counter.value
            self._numbers[series] = last + 1, last
        first, last = self._numbers[series]
        self._numbers[series] = first, last + count
        self.given += 1
        return last + 1

    async def guard(self, row: OwnedRow) -> None:
        """As `Writer.guard`; what was written here is held anyway."""
        if row.id not in self._of(type(row)):
            await super().guard(row)

    async def put_ticket(self, ticket: JobTicket) -> None:
        """As `Writer.put_ticket`, checked when it is sent."""
        self._tickets.append(ticket)
        self.given += 1

    async def drop_ticket(self, job: OwnedRow) -> None:
        """Raises NotInBulkError: the ticket could be one that was kept."""
        raise NotInBulkError(f"the ticket of {job.id} cannot be deleted in bulk")

    async def delete(self, row: OwnedRow) -> None:
        """Raises NotInBulkError: what was kept could refer to it."""
        raise NotInBulkError(f"a {row.spec.noun} cannot be deleted in bulk")

    def _of(self, table: type[Row]) -> dict[str, _Touched]:
        return self._touched.setdefault(table, {})

    def _update(self, row: Owned, columns: Mapping[str, object]) -> Owned:
        self._check_changeable(row)
        mine = self._of(type(row))
        touched = mine.get(row.id, _Touched(row, row))
        if touched.now.updated_at != row.updated_at:
            raise ConflictError(f"This {row.spec.noun} was changed meanwhile. Read it again.")
        if all(getattr(row, name) == value for name, value in columns.items()):
            return row
        fresh = row.model_copy(update={**columns, "updated_at": row.updated_at + timedelta(milliseconds=1)})
        mine[row.id] = _Touched(touched.before, fresh)
        self.given += 1
        return fresh

    def _matching(self, table: type[Owned], scan: Scan) -> Iterator[Owned]:
        """The rows written here that lie in a scan."""
        equals = tuple(scan.equals)
        begin = attrgetter("account_id", *scan.index.keys[: len(equals)])  # one call a row: there are thousands to look through
        wanted = (self._owner, *equals) if equals else self._owner
        low, high = scan.bounds()
        for row in self._of(table).values():
            if begin(row.now) == wanted and low <= _key(scan, row.now) < high:
                yield cast("Owned", row.now)


@asynccontextmanager
async def in_bulk(db: Writer) -> AsyncGenerator[BulkWriter, None]:
    """A writer in bulk in the transaction of another, which sends everything when the context ends without an error.

    Nothing may be written past it meanwhile. Raises as `BulkWriter.flush` does.
    """
    if isinstance(db, BulkWriter):
        yield db
        return
    writer = BulkWriter(db._transaction, db.scope)  # noqa: SLF001  it is a Writer like the other, which cannot know of it
    yield writer
    await writer.flush()


def _key(scan: Scan, row: OwnedRow) -> bytes:
    return encode_key([getattr(row, "id" if name == "_id" else name) for name in scan.stored_keys])
