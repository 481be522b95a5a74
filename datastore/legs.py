"""Reads as MongoDB runs them: each a leg (one scan of one index), many legs in one command.

A single leg is a `find` with its index as hint. Several are one `aggregate` whose further legs are `$unionWith` stages. There is no hint
for those, so each leg sorts by *all* keys of its index: any other index would need a blocking sort, which loses against an ordered scan
in the planner's trial. A filter with `$or` needs its hint all the same (of an `$or` the planner tries but ten plans), and so does one that
asks a list for several texts, at once or through a sieve (where rows with all of them are rare, a trial finds none by any index). Such a
leg comes first, and but once in a command.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datastore.database import Document

Send = Callable[[Document], Awaitable[Document]]

MAX_LEGS = 64
"""In one command. A leg of twenty rows costs the server some 80 µs, a command some 300 µs."""

_LEG = "#"


@dataclass(frozen=True, slots=True)
class Sieve:
    """What keeps only some of the rows that a scan comes to, and how many of them it may come to."""

    examined: int
    filter: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Leg:
    """The first `limit` rows of `table` that match, in the order of its index."""

    table: str
    index: str
    filter: Mapping[str, Any]
    sort: Mapping[str, int]
    limit: int
    sieve: Sieve | None = None

    @property
    def needs_hint(self) -> bool:
        """Whether the planner may miss the index where it is not told."""
        return "$or" in self.filter or "$nor" in self.filter or self.sieve is not None


def by_ids(table: str, owner: str | None, ids: Sequence[str]) -> Leg:
    """The rows that have these ids; on an owned table those of one account only."""
    belongs = {} if owner is None else {"account_id": {"$eq": owner}}
    return Leg(table, "_id_", {"_id": {"$in": list(ids)}, **belongs}, {"_id": 1}, len(ids))


async def fetch(legs: Sequence[Leg], send: Send, end_cursor: Send | None = None) -> list[list[Document]]:
    """The documents of each leg, at most one of which needs its hint.

    A batch of the server ends at 16 MB. What it left out is asked for again, past what has come, which is exact because every command
    that `send` sends reads the same snapshot; `end_cursor` sends the command that ends the cursor left behind.
    """
    answers: list[list[Document]] = [[] for _ in legs]
    missing = sorted(range(len(legs)), key=lambda number: not legs[number].needs_hint)
    while missing:
        reply = await send(_command(legs, missing, answers))
        cursor = reply["cursor"]
        for document in cursor["firstBatch"]:
            answers[document.pop(_LEG, missing[0])].append(document)
        if cursor["id"] == 0:
            break
        if end_cursor is not None:
            await end_cursor({"killCursors": cursor["ns"].partition(".")[2], "cursors": [cursor["id"]]})
        missing = [number for number in missing if len(answers[number]) < legs[number].limit]
    return answers


def _command(legs: Sequence[Leg], missing: Sequence[int], answers: Sequence[Sequence[Document]]) -> Document:
    if len(missing) == 1 and legs[missing[0]].sieve is None:
        return _find(legs[missing[0]], len(answers[missing[0]]))
    stages = [_stages(legs[number], len(answers[number]), number) for number in missing]
    unions = [{"$unionWith": {"coll": legs[number].table, "pipeline": stage}} for number, stage in zip(missing, stages, strict=True)]
    batch = sum(legs[number].limit for number in missing) + 1
    first = legs[missing[0]]
    return {"aggregate": first.table, "pipeline": [*stages[0], *unions[1:]], "cursor": {"batchSize": batch}, "hint": first.index}


def _find(leg: Leg, skip: int) -> Document:
    shape = {"filter": leg.filter, "sort": leg.sort, "skip": skip, "limit": leg.limit - skip}
    return {"find": leg.table, **shape, "hint": leg.index, "batchSize": leg.limit + 1}


def _stages(leg: Leg, skip: int, number: int) -> list[Document]:
    sieved: list[Document] = [{"$limit": leg.sieve.examined}, {"$match": leg.sieve.filter}] if leg.sieve else []
    skipping = [{"$skip": skip}] if skip else []
    return [{"$match": leg.filter}, {"$sort": leg.sort}, *sieved, *skipping, {"$limit": leg.limit - skip}, {"$addFields": {_LEG: number}}]
