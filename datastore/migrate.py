"""Brings a database to what the tables declare: collections, validators, indexes.

Online, idempotent, and safe to run from two processes at once. Everything is looked at first: where rows that exist would not fit, nothing
is changed. Rows that are older than a column are given it where that is possible (`datastore/filling.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pymongo.errors import DuplicateKeyError, OperationFailure

from datastore.database import MAJORITY, Database, Document
from datastore.filling import fill, lacking
from datastore.rate_limits import COLLECTION, prepare_rate_limits
from datastore.schema import TABLES
from datastore.tables import Index, Row
from datastore.validators import INDEX_NAME, check_declarations, index_document, validator_of

MAX_NAMED: Final = 20
"""Offending ids that are listed of each kind of problem."""

# https://github.com/mongodb/mongo/blob/v6.0/src/mongo/base/error_codes.yml
_NAMESPACE_EXISTS = 48
_INDEX_NOT_FOUND = 27
_CONFLICTING_OPERATION_IN_PROGRESS = 117


class MigrationRefusedError(RuntimeError):
    """Rows that exist do not fit what is declared; nothing was changed. `problems` has a line for each kind."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Report:
    """What a migration did, a line each; no line where nothing was to do."""

    lines: tuple[str, ...]


@dataclass(slots=True)
class _Plan:
    """What one table lacks."""

    table: type[Row]
    create: bool = False
    validate: bool = False
    filled: list[str] = field(default_factory=list)
    """Columns that rows may lack and are to be given."""
    missing: list[Index] = field(default_factory=list)
    changed: list[Index] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    in_the_way: list[str] = field(default_factory=list)
    """Indexes of others with the keys of one of ours: MongoDB does not make it a second time."""

    @property
    def name(self) -> str:
        return self.table.spec.name


async def migrate(database: Database, tables: tuple[type[Row], ...] = TABLES) -> Report:
    """Make what is missing, change what differs, drop indexes of ours that are declared no more.

    Raises MigrationRefusedError, before anything is changed, where rows do not fit a new validator or a new unique index.
    """
    check_declarations(tables)
    existing = await _collections(database)
    plans = [await _plan(database, table, existing) for table in tables]
    problems = [problem for plan in plans if not plan.create for problem in await _problems(database, plan)]
    if problems:
        raise MigrationRefusedError(problems)
    lines = [line for plan in plans for line in await _apply(database, plan)]
    if await prepare_rate_limits(database):
        lines.append(f"{COLLECTION}: collection made, whose entries expire")
    return Report(tuple(lines))


async def _collections(database: Database) -> dict[str, Document]:
    reply = await database.command({"listCollections": 1, "filter": {"type": "collection"}})
    return {collection["name"]: collection["options"] for collection in reply["cursor"]["firstBatch"]}


async def _plan(database: Database, table: type[Row], existing: dict[str, Document]) -> _Plan:
    name, declared = table.spec.name, table.spec.indexes
    if name not in existing:
        return _Plan(table, create=True, missing=list(declared))
    stored = await _indexes(database, name)
    validator = existing[name].get("validator")
    missing = [index for index in declared if index.name not in stored]
    wanted_keys = [list(index_document(table, index)["key"]) for index in missing]
    return _Plan(
        table,
        validate=validator != validator_of(table),
        filled=lacking(table, validator),
        missing=missing,
        changed=[index for index in declared if index.name in stored and not _same(stored[index.name], index_document(table, index))],
        dropped=[index for index in stored if _is_ours(index) and index not in table.spec.by_name],
        in_the_way=[index for index in stored if not _is_ours(index) and list(stored[index]["key"]) in wanted_keys],
    )


async def _indexes(database: Database, collection: str) -> dict[str, Document]:
    reply = await database.command({"listIndexes": collection})
    return {index["name"]: index for index in reply["cursor"]["firstBatch"]}


def _is_ours(index: str) -> bool:
    return index.startswith(INDEX_NAME)


def _same(stored: Document, declared: Document) -> bool:
    """Whether two descriptions are of one index; the order of its keys counts."""
    told = {name: value for name, value in stored.items() if name != "v"}
    return told == declared and list(told["key"]) == list(declared["key"])


async def _problems(database: Database, plan: _Plan) -> list[str]:
    problems = [f"{plan.name}: the index {index} is not ours, but has the keys of one that is: drop it" for index in plan.in_the_way]
    if plan.validate:
        problems += await _misfits(database, plan)
    for index in [*plan.missing, *plan.changed]:
        if index.unique:
            problems += await _duplicates(database, plan.table, index)
    return problems


async def _misfits(database: Database, plan: _Plan) -> list[str]:
    stages: list[Document] = [
        {"$match": {"$nor": [validator_of(plan.table, plan.filled)]}},
        {"$project": {"ids": ["$_id"], "count": {"$literal": 1}}},
    ]
    count, ids = await _offenders(database, plan.name, stages)
    return [f"{plan.name}: {count} rows do not fit the table's columns: {_listed(ids, count)}"] if count else []


async def _duplicates(database: Database, table: type[Row], index: Index) -> list[str]:
    document = index_document(table, index)
    keys = {str(position): f"${key}" for position, key in enumerate(document["key"])}
    stages: list[Document] = [
        {"$match": document.get("partialFilterExpression", {})},
        {"$group": {"_id": keys, "count": {"$sum": 1}, "ids": {"$firstN": {"input": "$_id", "n": MAX_NAMED}}}},
        {"$match": {"count": {"$gt": 1}}},
    ]
    count, ids = await _offenders(database, table.spec.name, stages)
    shared = ", ".join(document["key"])
    return [f"{table.spec.name}: {count} rows share their {shared} ({index.name}): {_listed(ids, count)}"] if count else []


async def _offenders(database: Database, collection: str, stages: Sequence[Document]) -> tuple[int, list[Any]]:
    """How many rows are in the groups `{count, ids}` that a pipeline finds, and the ids of the first."""
    counting: list[Document] = [{"$group": {"_id": None, "rows": {"$sum": "$count"}}}]
    naming: list[Document] = [{"$unwind": "$ids"}, {"$limit": MAX_NAMED}]
    pipeline = [*stages, {"$facet": {"counted": counting, "named": naming}}]
    command = {"aggregate": collection, "pipeline": pipeline, "cursor": {}, "allowDiskUse": True, "readConcern": {"level": "majority"}}
    found = (await database.command(command))["cursor"]["firstBatch"][0]
    return (found["counted"][0]["rows"] if found["counted"] else 0), [row["ids"] for row in found["named"]]


def _listed(ids: Iterable[Any], count: int) -> str:
    listed = ", ".join(map(str, ids))
    return listed if count <= MAX_NAMED else f"{listed} and {count - MAX_NAMED} more"


async def _apply(database: Database, plan: _Plan) -> list[str]:
    lines = []
    if plan.create and await _tolerant(database, _NAMESPACE_EXISTS, {"create": plan.name, "validator": validator_of(plan.table)}):
        lines.append(f"{plan.name}: collection made")
    if plan.validate:
        lines += await _validate(database, plan)
    # Dropped first: one that was only renamed has the keys of one that is to be made.
    for name in [*plan.dropped, *(index.name for index in plan.changed)]:
        if await _tolerant(database, _INDEX_NOT_FOUND, {"dropIndexes": plan.name, "index": name}):
            lines += [f"{plan.name}: index {name} dropped"]
    return lines + await _make_indexes(database, plan)


async def _validate(database: Database, plan: _Plan) -> list[str]:
    """Fill before the columns are demanded, so that what others change meanwhile is not refused; and once more what they made meanwhile."""
    filled = 0
    if plan.filled:
        await _tolerant(database, None, {"collMod": plan.name, "validator": validator_of(plan.table, plan.filled)})
        filled += await fill(database, plan.table, plan.filled)
    await _tolerant(database, None, {"collMod": plan.name, "validator": validator_of(plan.table)})
    if plan.filled:
        filled += await fill(database, plan.table, plan.filled)
    given = [f"{plan.name}: {filled} rows given {', '.join(plan.filled)}"] if filled else []
    return [*given, f"{plan.name}: validator changed"]


async def _make_indexes(database: Database, plan: _Plan) -> list[str]:
    wanted = [*plan.missing, *plan.changed]
    if not wanted:
        return []
    documents = [index_document(plan.table, index) for index in wanted]
    try:
        await _tolerant(database, None, {"createIndexes": plan.name, "indexes": documents})
    except DuplicateKeyError as error:  # written since we looked: the next run will name it
        raise MigrationRefusedError([f"{plan.name}: rows that share a unique key were written meanwhile: {error.details}"]) from error
    return [f"{plan.name}: index {index.name} made" for index in wanted]


async def _tolerant(database: Database, harmless: int | None, command: Document) -> bool:
    """Send a command; false where another process has done the same (the error `harmless`).

    One that collides with the same command of another process is sent again: that waits for the other to end.
    """
    while True:
        try:
            await database.command({**command, "writeConcern": MAJORITY})
        except OperationFailure as error:
            if error.code == harmless:
                return False
            if error.code != _CONFLICTING_OPERATION_IN_PROGRESS:
                raise
        else:
            return True
