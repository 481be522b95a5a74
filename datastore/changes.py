"""The change stream: every committed change of the database's tables, in order, whoever made it.

A stream is opened afresh or not at all: whatever ends one is a StreamLostError, and the way back is the way in (open another, run
everything again). Short interruptions never get that far: the driver resumes by itself after the last event that it gave out, as the
specification says (https://github.com/mongodb/specifications/blob/master/source/change-streams/change-streams.md).
"""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from bson.errors import BSONError
from pymongo.errors import OperationFailure, PyMongoError

from datastore.database import Database, Document, timestamp_of, version_from
from datastore.errors import UnavailableError
from datastore.schema import TABLES_BY_NAME
from datastore.tailing import Answer, Tail
from datastore.validators import FAREWELL
from datastore.versions import BEGINNING, Version, version_of

Kind = Literal["insert", "update", "replace", "delete"]

MAX_AWAIT_MS = 500
"""How long the server holds a request for events while there are none."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# https://github.com/mongodb/mongo/blob/v6.0/src/mongo/base/error_codes.yml (ChangeStreamHistoryLost)
_HISTORY_LOST = 286

# A request that was held when the cursor was closed still takes that long.
_CLOSING_SECONDS = 1 + MAX_AWAIT_MS / 1000

_TABLES = sorted(TABLES_BY_NAME)
_ROW_KINDS = ("insert", "update", "replace", "delete")
# Rows have gone or come without events of their own. (To drop the database drops its collections, and ends the stream by itself.)
_UPHEAVALS = ("drop", "rename")
_PIPELINE = [
    {
        "$match": {
            "$or": [
                {"ns.coll": {"$in": _TABLES}, "operationType": {"$in": [*_ROW_KINDS, *_UPHEAVALS]}},
                {"to.coll": {"$in": _TABLES}, "operationType": "rename"},
            ]
        }
    }
]

# A batch holds 16 MB, a row at most 1 MiB, its event at most two (the row and what was set): so many fit for certain.
_CERTAINLY_IN_ONE_BATCH = 7


class StreamLostError(Exception):
    """The stream has ended and can't go on: changes may have been missed, so that everything must run again on a fresh one."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row has changed."""

    time: Version
    """The commit's; all changes of one transaction have the same."""
    table: str
    id: str
    kind: Kind
    row: Mapping[str, Any] | None
    """The stored document, looked up at this change or later; None where it is gone by now."""
    fields: frozenset[str] | None
    """The top-level columns that an update set, removed or truncated; None: all of them."""
    owner: str | None = None
    """The account that the row belongs to; None where it has none, or where nobody can tell any more."""
    parting: bool = False
    """Whether the row says farewell: it is deleted by the same transaction."""
    at: datetime = EPOCH
    """The server's clock when the change was written, UTC."""
    token: str = ""
    """Where the change stands in the order of all changes: texts that compare as the changes follow each other, within one time too."""


class GapError(StreamLostError):
    """Rows have changed without events, or with events that the server has no more: nobody can tell what has changed meanwhile."""


class UnreadableError(StreamLostError):
    """A change holds a value that Python has no room for (a date after the year 9999, say): who begins again must do so behind it."""


class ChangeStream:
    """The changes of one database from the moment the stream is opened, or from an earlier one; with `only`, those that it lets through.

    `patience` is how many seconds a server may let its answer wait, beyond MAX_AWAIT_MS, before it is taken for dead. An answer holds
    `batch` events at most, where that is given.
    """

    def __init__(
        self,
        database: Database,
        *,
        patience: float = 5.0,
        only: Document | None = None,
        await_ms: int = MAX_AWAIT_MS,
        batch: int | None = None,
    ) -> None:
        self._database = database
        self._limit = patience + MAX_AWAIT_MS / 1000
        self._pipeline = _PIPELINE if only is None else [*_PIPELINE, only]
        self._await_ms = await_ms
        self._batch = batch
        self._stream: Any = None  # Motor's change stream, which datastore/database.py alone names.
        self._tail: Tail | None = None
        self._start = BEGINNING
        self.position = BEGINNING
        """No change at or before this is still to come."""

    async def open(self, after: Version | None = None) -> Version:
        """Open a fresh stream; when this returns it is open at the server, and misses no change after the version returned.

        That is `after`, or the present moment. Raises StreamLostError where the server does not answer or refuses, and GapError where it
        has not kept the changes since `after`.
        """
        await self.close()
        try:
            async with asyncio.timeout(self._limit):
                start = await self._database.ping() if after is None else after
                stream = self._database.watch(
                    self._pipeline,
                    full_document="updateLookup",
                    start_at_operation_time=timestamp_of(Version(start + 1)),
                    max_await_time_ms=self._await_ms,
                    batch_size=self._batch,
                )
                self._stream = await stream.__aenter__()
        except TimeoutError as error:
            raise StreamLostError(f"no change stream could be opened within {self._limit:.1f} seconds") from error
        except (PyMongoError, UnavailableError) as error:
            raise _lost("no change stream could be opened", error) from error
        self._start = start
        # An empty first answer says how far it looked, but one step means nothing (see `_has_begun`); one that is not empty does not say.
        looked = time_of_token(self._stream.resume_token)
        self.position = looked if looked > start + 1 else start
        self._tail = Tail(self._stream.delegate)
        return start

    async def next_batch(self) -> list[Change]:
        """The next changes, at least one, once there are some.

        All that one answer of the server holds come together, and so does a transaction, unless it is larger than an answer can be (16 MB):
        then its changes come in more than one batch, with the same time. A call that is cancelled loses nothing: the next one has it.
        Raises StreamLostError; the stream is of no more use then.
        """
        while True:
            changes = await self.poll()
            if changes:
                return changes

    async def poll(self) -> list[Change]:
        """The changes of the server's next answer, as in `next_batch`; none where none came for a while."""
        answer = await self._next_answer()
        changes = [_change_of(event) for event in answer.events]
        if answer.events or time_of_token(answer.token) != self._start + 1 or await self._has_begun():
            self._advance(answer)
        return changes

    async def close(self) -> None:
        """Close the stream, if one is open; who waits for changes then gets a StreamLostError. Takes a second or two at the very most."""
        stream, self._stream = self._stream, None
        tail, self._tail = self._tail, None
        if tail is not None:
            tail.close()
        if stream is None:
            return
        # A server that can't be told to close the cursor closes it by itself.
        with suppress(PyMongoError, TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await stream.close()
                if tail is not None:
                    await tail.ended.wait()

    async def _next_answer(self) -> Answer:
        """The server's next answer, which is empty where no changes came for a while."""
        if self._tail is None:
            raise StreamLostError("the change stream is not open")
        try:
            async with asyncio.timeout(self._limit):
                answer = await self._tail.next()
        except TimeoutError as error:
            raise StreamLostError(f"the change stream has been silent for {self._limit:.1f} seconds") from error
        except BSONError as error:
            raise UnreadableError(f"the change stream has ended: {error}") from error
        except PyMongoError as error:
            raise _lost("the change stream has ended", error) from error
        if answer is None:
            raise StreamLostError("the change stream was closed")
        return answer

    async def _has_begun(self) -> bool:
        """Whether the server's clock has come to the moment that the stream begins at: an idle stream's token names it even before."""
        with suppress(UnavailableError):
            return await self._database.ping() > self._start and self._stream is not None
        return False

    def _advance(self, answer: Answer) -> None:
        """Note how far the stream has come."""
        if not answer.events:
            reached = time_of_token(answer.token)
        else:
            last = answer.events[-1]
            reached = version_from(last["clusterTime"])
            if "txnNumber" in last and len(answer.events) > _CERTAINLY_IN_ONE_BATCH:
                # The transaction may go on in the next answer.
                reached = Version(reached - 1)
        self.position = max(self.position, reached)


def time_of_token(token: Mapping[str, Any] | None) -> Version:
    """The cluster time in a resume token, or BEGINNING where there is none.

    A token that came with an empty answer (a "high-water mark") says that every change up to this time has been given out. `_data` is a
    KeyString in hexadecimal that begins with a timestamp: the type byte 0x82, four bytes of seconds, four of increment, big-endian
    (https://github.com/mongodb/mongo/blob/r6.0.5/src/mongo/db/pipeline/resume_token.h and, beside it, ../storage/key_string.cpp).
    """
    data = token.get("_data") if token else None
    if not isinstance(data, str) or data[:2] != "82":
        return BEGINNING
    return version_of(int(data[2:10], 16), int(data[10:18], 16))


def _change_of(event: Document) -> Change:
    """What an event says. Raises GapError for one that says that rows changed without events of their own."""
    kind = event["operationType"]
    if kind in _UPHEAVALS:
        raise GapError(f"the change stream has ended: {kind} of {event['ns']['coll']}")
    update = event.get("updateDescription")
    row: Document | None = event.get("fullDocument")
    farewell = None if update is None else update["updatedFields"].get(FAREWELL)
    id = event["documentKey"]["_id"]
    return Change(
        time=version_from(event["clusterTime"]),
        table=event["ns"]["coll"],
        # Who goes around the validators can store an id of any type, a document even. It is an id that no reader asks for.
        id=id if isinstance(id, str) else repr(id),
        kind=kind,
        row=row,
        fields=None if update is None else _changed_columns(update),
        owner=farewell or (row or {}).get("account_id"),
        parting=farewell is not None,
        at=event["wallTime"],
        token=event["_id"]["_data"],
    )


def of_owners(*account_ids: str, tables: Collection[str] | None = None, besides: Collection[str] = ()) -> Document:
    """What leaves the changes of these accounts' rows (of all accounts' where none is named) in these tables, all changes of the tables
    `besides`, and those that end a stream.
    """
    belonging: Document = {
        "$or": [
            {"fullDocument.account_id": {"$in": account_ids}},
            {f"updateDescription.updatedFields.{FAREWELL}": {"$in": account_ids}},
        ]
    }
    wanted = [*([{"ns.coll": {"$in": sorted(tables)}}] if tables is not None else []), *([belonging] if account_ids else [])]
    choices: list[Document] = [{"operationType": {"$in": list(_UPHEAVALS)}}, {"ns.coll": {"$in": sorted(besides)}}]
    return {"$match": {"$or": [{"$and": wanted}, *choices]}}


def matching(query: Document) -> Document:
    """What leaves the events that match a query (on the events as the server writes them), and those that end a stream."""
    return {"$match": {"$or": [query, {"operationType": {"$in": list(_UPHEAVALS)}}]}}


def _lost(what: str, error: Exception) -> StreamLostError:
    is_gap = isinstance(error, OperationFailure) and error.code == _HISTORY_LOST
    return (GapError if is_gap else StreamLostError)(f"{what}: {error}")


def _changed_columns(update: Document) -> frozenset[str]:
    paths = [*update["updatedFields"], *update["removedFields"], *(array["field"] for array in update["truncatedArrays"])]
    return frozenset(path.split(".", 1)[0] for path in paths)
