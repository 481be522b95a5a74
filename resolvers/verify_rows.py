"""What `tillstream verify` reads with, and what it writes its findings into.

Everything of a range of accounts is read at one moment, streamed in the order of an index, and joined a few hundred rows at a time: memory
does not grow with the shop.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Final, TypeVar

from datastore.bulk import Moment
from datastore.tables import OwnedRow

T = TypeVar("T")

CHUNK: Final = 500
"""Rows whose relatives are read together."""

MOST_FINDINGS: Final = 100
"""That are told; those beyond are counted."""


class Record(SimpleNamespace):
    """A stored document whose columns are read as a row's are. It was never validated: a broken one is what is looked for."""

    @property
    def id(self) -> str:
        """Its id."""
        return str(self._id)


@dataclass
class Findings:
    """What does not add up, a line each: the row, and both figures."""

    lines: list[str] = field(default_factory=list)
    more: int = 0
    """How many were found beyond those told."""

    def add(self, line: str) -> None:
        """Takes a finding in."""
        if len(self.lines) < MOST_FINDINGS:
            self.lines.append(line)
        else:
            self.more += 1

    def differ(self, row: str, column: str, stored: object, figure: object, whose: str) -> None:
        """Notes where a column of a row is not what it should be, and `whose` figure says what that is."""
        if stored != figure:
            self.add(f"{row}: {column} is {stored}, but {whose} {figure}")


@dataclass
class Books:
    """The rows of the accounts from `low` up to `high` (not included; empty: to the last), as they were at one moment."""

    moment: Moment
    low: str
    high: str
    findings: Findings
    read: Callable[[int], None]
    """Told how many rows were read."""
    settings: dict[str, Record] = field(default_factory=dict)
    """Of each account."""
    loose: set[str] = field(default_factory=set)
    """Accounts whose currency may be changed though there are amounts."""
    sales: int = 0
    """How many were looked at."""
    entries: int = 0

    async def rows(self, table: type[OwnedRow], index: str, columns: Iterable[str], **equals: str) -> AsyncIterator[Record]:
        """The rows in the order of an index, narrowed to those whose columns are equal to values."""
        async for batch in self.moment.stream(table, index, columns, low=self.low, high=self.high, equals=equals):
            self.read(len(batch))
            for document in batch:
                yield Record(**document)

    async def by_id(self, table: type[OwnedRow], ids: Collection[str], columns: Iterable[str] = ()) -> dict[str, Record]:
        """The rows that have these ids, by id."""
        return {document["_id"]: Record(**document) for document in await self.moment.by_ids(table, ids, columns)}

    async def of(self, table: type[OwnedRow], index: str, parents: Sequence[Record], columns: Iterable[str]) -> dict[str, list[Record]]:
        """The rows of a table that belong to these parents by the first key of an index, by the parent's id."""
        key = table.spec.by_name[index].keys[0]
        found: dict[str, list[Record]] = {}
        for document in await self.moment.relatives(table, index, ids_by_account(parents), columns):
            found.setdefault(document[key], []).append(Record(**document))
        self.read(sum(map(len, found.values())))
        return found

    def check_currency(self, row: str, record: Record) -> None:
        """An amount is in the currency of its account, and fixes it."""
        settings = self.settings.get(record.account_id)
        if settings is None:
            self.findings.add(f"{row}: its account {record.account_id} has no settings")
        else:
            self.findings.differ(row, "currency", record.currency, settings.currency, "its account's is")
            if not settings.currency_fixed and settings.account_id not in self.loose:
                self.loose.add(settings.account_id)
                amounts = f"amounts are stored in {record.currency}, that of {row} among them"
                self.findings.add(f"settings {settings.id}: currency_fixed is False, but {amounts}")


async def chunked(rows: AsyncIterator[T], size: int = CHUNK) -> AsyncIterator[list[T]]:
    """The rows in lists of so many."""
    chunk: list[T] = []
    async for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def ids_by_account(rows: Iterable[Record]) -> dict[str, list[str]]:
    """The ids of rows, by their accounts."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.account_id, []).append(row.id)
    return found
