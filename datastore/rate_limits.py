"""How often something may be done, agreed on by all processes of a deployment: one atomic write for each question.

The rule is the generic cell rate algorithm (ITU-T I.371, the leaky bucket as a meter): of each key one moment is kept, at which all that
was taken will have been earned again. Taking moves it on; what would move it further than the limit's window into the future is refused.
A key is stored as its hash: no address of a person or a machine can be read out of the collection.

The collection is no table. It has no rows that anybody reads, the change stream leaves it out (a write for each sign-in would wake every
process), and one acknowledgement is enough: what an election takes back is a few counted tries, and waiting for a majority would cost each
sign-in more than that is worth.
"""

import hashlib
import time
from dataclasses import dataclass
from typing import Final

from datastore.database import Database, Document
from datastore.errors import RateLimitedError

COLLECTION: Final = "rate_limits"
_EXPIRY: Final = "by_expiry"
_MICROSECONDS: Final = 1_000_000
_MOST_FULL: Final = 10_000
"""Refused keys that a process remembers."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` at once, and then again as they are earned back: all of them in `seconds`."""

    count: int
    seconds: float

    @property
    def interval(self) -> float:
        """The seconds in which one is earned."""
        return self.seconds / self.count

    def times(self, factor: float) -> "Limit":
        """As often again, at least once."""
        return Limit(max(1, round(self.count * factor)), self.seconds)


class Limiter:
    """The limits of one deployment, as one process asks for them.

    A key that was refused is remembered until it may be good again, so that who goes on trying costs the database nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._full: dict[str, float] = {}

    async def take(self, key: str, limit: Limit, cost: int = 1) -> None:
        """Counts `cost` on a key. Raises RateLimitedError, and counts nothing, where that is more than the limit has left.

        Keys with different limits are different keys. Raises UnavailableError where the database does not answer.
        """
        id = _id_of(key, limit)
        self._refuse_the_full(id)
        state = await self._write(id, _taking(limit, cost))
        if state["wait_us"] > 0:
            wait = state["wait_us"] / _MICROSECONDS
            self._remember(id, wait, limit, cost)
            raise too_often(wait)

    async def give_back(self, key: str, limit: Limit, cost: int = 1) -> None:
        """Takes back what was counted: it turned out to be none of what the limit is for."""
        id = _id_of(key, limit)
        self._full.pop(id, None)
        await self._write(id, _giving_back(limit, cost))

    async def forget_all(self) -> None:
        """Lets everybody begin anew."""
        self._full.clear()
        await self._database.command({"delete": COLLECTION, "deletes": [{"q": {}, "limit": 0}]})

    async def _write(self, id: str, pipeline: list[Document]) -> Document:
        reply = await self._database.command(
            {
                "findAndModify": COLLECTION,
                "query": {"_id": id},
                "update": pipeline,
                "upsert": True,
                "new": True,
                "writeConcern": {"w": 1},
            }
        )
        value: Document = reply["value"]
        return value

    def _refuse_the_full(self, id: str) -> None:
        until = self._full.get(id)
        if until is None:
            return
        wait = until - time.monotonic()
        if wait > 0:
            raise too_often(wait)
        del self._full[id]

    def _remember(self, id: str, wait: float, limit: Limit, cost: int) -> None:
        """Remembers when the least that can be asked for, one, is there again."""
        least = wait - (cost - 1) * limit.interval
        if least > 0:
            while len(self._full) >= _MOST_FULL:
                del self._full[next(iter(self._full))]
            self._full[id] = time.monotonic() + least


def too_often(wait: float) -> RateLimitedError:
    """The refusal of what may be tried again in `wait` seconds."""
    shown = round(wait, 3)
    return RateLimitedError(f"Too many requests. Try again in {max(1, round(wait))} s.", retry_after=shown)


async def prepare_rate_limits(database: Database) -> bool:
    """Makes the collection and the index by which MongoDB deletes what is earned back; says whether it was not there."""
    reply = await database.command(
        {"createIndexes": COLLECTION, "indexes": [{"key": {"expires_at": 1}, "name": _EXPIRY, "expireAfterSeconds": 60}]}
    )
    return bool(reply.get("numIndexesAfter", 0) > reply.get("numIndexesBefore", 0))  # a router of shards does not say


def _id_of(key: str, limit: Limit) -> str:
    return hashlib.sha256(f"{limit.count}/{limit.seconds} {key}".encode("utf-8", "surrogatepass")).hexdigest()


# The server's own clock, in microseconds: processes need not agree on theirs. A date of MongoDB has milliseconds.
_NOW: Final[Document] = {"$multiply": [{"$toLong": "$$NOW"}, 1000]}
_EARNED: Final[Document] = {"$max": [{"$ifNull": ["$earned_us", 0]}, "$now_us"]}


def _taking(limit: Limit, cost: int) -> list[Document]:
    """Moves the moment on if that is within the window, and says in `wait_us` for how long it would not be."""
    interval = round(limit.interval * _MICROSECONDS)
    window = interval * limit.count  # what `seconds` are, but for rounding, which must not cost the last of them
    wanted = {"$add": [_EARNED, interval * cost]}
    return [
        {"$set": {"now_us": _NOW}},
        {"$set": {"wanted_us": wanted}},
        {"$set": {"wait_us": {"$max": [0, {"$subtract": ["$wanted_us", {"$add": ["$now_us", window]}]}]}}},
        {"$set": {"earned_us": {"$cond": [{"$gt": ["$wait_us", 0]}, _EARNED, "$wanted_us"]}}},
        *_ENDING,
    ]


def _giving_back(limit: Limit, cost: int) -> list[Document]:
    interval = round(limit.interval * _MICROSECONDS)
    earned = {"$max": ["$now_us", {"$subtract": [_EARNED, interval * cost]}]}
    return [{"$set": {"now_us": _NOW}}, {"$set": {"earned_us": earned, "wait_us": 0}}, *_ENDING]


_ENDING: Final[list[Document]] = [
    {"$set": {"expires_at": {"$toDate": {"$toLong": {"$divide": ["$earned_us", 1000]}}}}},
    {"$unset": ["now_us", "wanted_us"]},
]
