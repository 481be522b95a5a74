"""Writing in bulk: the mutations of a whole chunk as one transaction, their rows sent together.

A `BulkWriter` is a `Writer` that keeps in memory what it is given to write, and shows it to what reads after that; `flush` sends it, a few
commands for hundreds of mutations. The functions of the business run on it as on any other, so that what they hold true holds for what was
made in bulk; every check of the datastore is made when it is sent.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter
from typing import Any, TypeVar, cast

from datastore.errors import ConflictError
from datastore.keys import KeyValue, encode_key
from datastore.paging import Scan, list_key
from datastore.reading import MAX_LISTED, unique_scan
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


@dataclass(slots=True)
class _Kept:
    """What was given to write and is not sent yet: one for all that write in bulk in a transaction, whoever they act as."""

    touched: dict[type[Row], dict[str, _Touched]] = field(default_factory=dict)
    found: dict[tuple[object, ...], OwnedRow | None] = field(default_factory=dict)
    """What is stored under the keys of unique indexes that were asked for."""
    sums: dict[type[TallyRow], dict[tuple[KeyValue, ...], dict[str, int]]] = field(default_factory=dict)
    numbers: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of each series: the first and the last that were given."""
    tickets: list[JobTicket] = field(default_factory=list)
    given: int = 0
    """How many rows, sums and numbers there are."""

    def become(self, other: "_Kept") -> None:
        """Holds what another holds, from now on."""
        self.touched, self.found, self.sums, self.numbers = other.touched, other.found, other.sums, other.numbers
        self.tickets, self.given = other.tickets, other.given

    def copy(self) -> "_Kept":
        """The same, which stays as it is when this changes. Rows are frozen."""
        touched = {table: dict(rows) for table, rows in self.touched.items()}
        sums = {table: {key: dict(row) for key, row in rows.items()} for table, rows in self.sums.items()}
        return _Kept(touched, self.found, sums, dict(self.numbers), list(self.tickets), self.given)


class BulkWriter(Writer):
    """Reads and writes of one account's rows in a transaction, the writes kept until `flush`. Nothing can be deleted.

    What the datastore checks of a row is checked when it is sent; what the role may do, at once.
    """

    def __init__(self, transaction: Transaction, scope: Scope, address: str = "") -> None:
        super().__init__(transaction, scope, address)
        self._kept = _Kept()

    @property
    def given(self) -> int:
        """How many rows, sums and numbers it has been given to write."""
        return self._kept.given

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Forget what the block gave to write if it raises, as if it had never been."""
        before = self._kept.copy()
        try:
            yield
        except BaseException:
            self._kept.become(before)
            raise

    async def flush(self) -> None:
        """Sends everything. Raises as the methods that gave it do."""
        kept = self._kept
        for series, (first, last) in kept.numbers.items():
            await super()._next_number(series, last - first + 1)
        for table in TABLES:  # in their order, what is referred to comes before what refers to it
            rows = kept.touched.get(table, {}).values()
            await super()._insert_all([row.now for row in rows if row.before is None])
            await super()._update_all([(row.before, row.changes()) for row in rows if row.before is not None])
        for tally, sums in kept.sums.items():
            await super()._tally(tally, sums)
        for ticket in kept.tickets:
            await super().put_ticket(ticket)
        kept.become(_Kept(given=kept.given))

    async def put_ticket(self, ticket: JobTicket) -> None:
        """As `Writer.put_ticket`, checked when it is sent."""
        self._kept.tickets.append(ticket)
        self._kept.given += 1

    async def drop_ticket(self, job: OwnedRow) -> None:
        """Raises NotInBulkError: the ticket could be one that was kept."""
        raise NotInBulkError(f"the ticket of {job.id} cannot be deleted in bulk")

    async def _get(self, table: type[Owned], id: str) -> Owned | None:
        mine = self._of(table).get(id)
        return cast("Owned", mine.now) if mine is not None else await super()._get(table, id)

    async def _get_all(self, table: type[Owned], ids: Sequence[str]) -> dict[str, Owned]:
        mine = self._of(table)
        there = await super()._get_all(table, [id for id in ids if id not in mine])
        return there | {id: cast("Owned", mine[id].now) for id in ids if id in mine}

    async def _find(self, table: type[Owned], index: str, *keys: KeyValue) -> Owned | None:
        for row in self._matching(table, unique_scan(table, index, self._owner, keys)):
            return row
        entry = (table, index, *keys)
        found = self._kept.found
        if entry not in found:
            found[entry] = await super()._find(table, index, *keys)
        stored = cast("Owned | None", found[entry])
        return None if stored is not None and stored.id in self._of(table) else stored

    async def _scan(self, table: type[Owned], scan: Scan, first: int) -> tuple[Owned, ...]:
        """NotInBulkError for an index of a list, for nothing that is made in bulk searches."""
        if list_key(table, scan.index) is not None:
            raise NotInBulkError(f"{table.spec.name}.{scan.index.name} is not read in bulk")
        mine = self._of(table)
        wanted = min(MAX_LISTED, first + sum(row.before is not None for row in mine.values()))
        stored = await super()._scan(table, scan, wanted)
        rows = [*(row for row in stored if row.id not in mine), *self._matching(table, scan)]
        return tuple(sorted(rows, key=lambda row: _key(scan, row), reverse=scan.descending)[:first])

    async def _insert_all(self, rows: Sequence[Owned]) -> tuple[Owned, ...]:
        for row in rows:
            self._of(type(row))[row.id] = _Touched(None, row)
        self._kept.given += len(rows)
        return tuple(rows)

    async def _update_all(self, changes: Sequence[tuple[Owned, Mapping[str, object]]]) -> tuple[Owned, ...]:
        return tuple([self._change(row, columns) for row, columns in changes])

    async def _increment(self, row: Owned, deltas: Mapping[str, int]) -> Owned:
        current = await self._get(type(row), row.id)
        if current is None:
            raise ConflictError(f"This {row.spec.noun} was deleted meanwhile.")
        return self._change(current, {name: getattr(current, name) + delta for name, delta in deltas.items()})

    async def _tally(self, table: type[TallyRow], sums: Sums) -> None:
        kept = self._kept.sums.setdefault(table, {})
        self._kept.given += len(sums)
        for key, deltas in sums.items():
            row = kept.setdefault(key, {})
            for column, delta in deltas.items():
                row[column] = row.get(column, 0) + delta

    async def _next_number(self, series: str, count: int) -> int:
        numbers = self._kept.numbers
        if series not in numbers:
            counter = await super()._find(Counter, "by_series", series)
            last = 0 if counter is None else counter.value
            numbers[series] = last + 1, last
        first, last = numbers[series]
        numbers[series] = first, last + count
        self._kept.given += 1
        return last + 1

    async def _guard(self, row: OwnedRow) -> None:
        if row.id not in self._of(type(row)):  # what was written here is held anyway
            await super()._guard(row)

    async def _delete(self, row: OwnedRow) -> None:
        """Raises NotInBulkError: what was kept could refer to it."""
        raise NotInBulkError(f"a {row.spec.noun} cannot be deleted in bulk")

    def _of(self, table: type[Row]) -> dict[str, _Touched]:
        return self._kept.touched.setdefault(table, {})

    def _change(self, row: Owned, columns: Mapping[str, object]) -> Owned:
        mine = self._of(type(row))
        touched = mine.get(row.id, _Touched(row, row))
        if touched.now.updated_at != row.updated_at:
            raise ConflictError(f"This {row.spec.noun} was changed meanwhile. Read it again.")
        if all(getattr(row, name) == value for name, value in columns.items()):
            return row
        fresh = row.model_copy(update={**columns, "updated_at": row.updated_at + timedelta(milliseconds=1)})
        mine[row.id] = _Touched(touched.before, fresh)
        self._kept.given += 1
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
    writer = BulkWriter(db._transaction, db.scope, db.address)  # noqa: SLF001  it is a Writer like the other, which cannot know of it
    writer = writer if db.limited else writer.for_business
    yield writer
    await writer.flush()


def _key(scan: Scan, row: OwnedRow) -> bytes:
    return encode_key([getattr(row, "id" if name == "_id" else name) for name in scan.stored_keys])
