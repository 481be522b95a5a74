"""Transactions: a body of reads and writes that happens once and whole, or not at all.

MongoDB gives snapshot isolation: a transaction reads one snapshot, and the second of two that write the same row fails and is run again.
Write skew stays possible (Berenson et al., A Critique of ANSI SQL Isolation Levels, 1995): a body that decides on rows that it only reads
must guard them (`Writer.guard`).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import SystemRandom
from typing import Any, Final, Generic, TypeVar, cast

from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError, WriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from datastore.batching import Batcher
from datastore.database import Database, Document, Session, judge, version_from
from datastore.errors import ConflictError, InvalidInputError, UnavailableError
from datastore.tables import Row
from datastore.versions import Version

log = logging.getLogger(__name__)

T = TypeVar("T")
Body = Callable[["Transaction"], Awaitable[T]]

PATIENCE_SECONDS: Final = 5.0
"""How long a transaction is tried again that collides with others, and how long a commit whose answer was lost."""

FIRST_BACKOFF_SECONDS: Final = 0.002
MAX_BACKOFF_SECONDS: Final = 0.25
_DUPLICATE_KEY: Final = 11000
_BAD_VALUE: Final = 2
_RUN_AGAIN: Final = "TransientTransactionError"
_random = SystemRandom()


class OutcomeUnknownError(UnavailableError):
    """The connection was lost while a commit was under way and did not come back in time: it may have happened or not."""


@dataclass(frozen=True, slots=True)
class Committed(Generic[T]):
    """What a transaction's body returned, and the version from which on its changes are seen; None where it changed nothing."""

    value: T
    version: Version | None


class Transaction:
    """One try of a transaction, one command at a time. `now` is the moment it began, in whole milliseconds."""

    def __init__(self, database: Database, session: Session) -> None:
        self.now = _now()
        self.changed = False
        """Whether a row was made, changed or deleted."""
        self.held: set[str] = set()
        """The ids of rows that it has written or guarded: nobody else can change them before it ends."""
        self.failure: Exception | None = None
        """Why it can no longer be committed, whatever its body makes of it."""
        self.batcher = Batcher(self.send, max_legs=1)  # $unionWith is not allowed in a transaction
        self._database = database
        self._session = session
        self._turn = asyncio.Lock()
        self._ended = False

    async def send(self, command: Document) -> Document:
        """The reply to a command that only reads. An error of the server ends the transaction there, so it ends it here."""
        async with self._turn:
            self._check_usable()
            try:
                return await _to_the_end(self._database.command(command, session=self._session))
            except PyMongoError as error:
                self.failure = error
                raise

    async def write(self, table: type[Row], command: Document) -> int:
        """How many rows a write command wrote. Raises ConflictError where a unique index of `table` refuses it."""
        reply = await self.send(command)
        if "writeErrors" in reply:
            self.failure = _write_error(table, reply["writeErrors"][0])
            raise self.failure
        return cast("int", reply["n"])

    async def upsert(self, table: type[Row], command: Document) -> Document:
        """The reply to a command that counts up rows by unique keys, and makes those that are not there.

        Where another transaction made the same row at the same moment, the whole transaction is run again. Raises InvalidInputError where
        a sum would leave 64 bits.
        """
        try:
            reply = await self.send(command)
            for refused in reply.get("writeErrors", ()):
                raise WriteError(refused["errmsg"], refused["code"], refused)
        except OperationFailure as error:
            self.failure = _upsert_error(table, error)
            raise self.failure from None
        return reply

    def fail(self, error: Exception) -> None:
        """Forbid the commit: what has been written so far makes no sense without what could not be."""
        self.failure = self.failure or error

    async def end(self) -> None:
        """Refuse further commands, and wait for one under way (a task that the body left behind, say)."""
        async with self._turn:
            self._ended = True

    def _check_usable(self) -> None:
        if self._ended:
            raise RuntimeError("this transaction has ended; nothing read or written by it may outlive its body")
        if self.failure is not None:
            raise self.failure


async def run_transaction(database: Database, body: Body[T], *, patience: float = PATIENCE_SECONDS) -> Committed[T]:
    """Run `body` in a transaction and commit it.

    The body is run again, with nothing left of the try before, while it collides with other transactions: it may do nothing that a second
    time would spoil. Raises what the body raises (then nothing was written), UnavailableError where collisions or lost connections do not
    end within `patience` seconds, and OutcomeUnknownError where nobody can say whether it was committed.
    """
    deadline = time.monotonic() + patience
    session = await database.start_session()
    try:
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            try:
                return await _try(database, session, body, deadline)
            except PyMongoError as error:
                if not error.has_error_label(_RUN_AGAIN):
                    raise judge(error) from error
                await _wait_for_next_try(error, backoff, deadline)
            backoff = min(2 * backoff, MAX_BACKOFF_SECONDS)
    except OutcomeUnknownError:
        await _release(database, session)
        raise
    finally:
        await _to_the_end(session.end_session())


async def _wait_for_next_try(error: PyMongoError, backoff: float, deadline: float) -> None:
    """Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/."""
    delay = _random.uniform(0, backoff)
    if time.monotonic() + delay > deadline:
        judged = judge(error)
        if isinstance(judged, UnavailableError):
            raise judged from error
        raise UnavailableError("Others keep changing the same rows; nothing was changed. Try again.") from error
    await asyncio.sleep(delay)


async def _try(database: Database, session: Session, body: Body[T], deadline: float) -> Committed[T]:
    session.start_transaction(ReadConcern("snapshot"), WriteConcern(w="majority", j=True))
    transaction = Transaction(database, session)
    try:
        value = await _outcome(transaction, body)
    except BaseException:
        await transaction.end()
        await _to_the_end(session.abort_transaction())
        raise
    await transaction.end()
    await _to_the_end(_commit(session, deadline))
    # What Motor's type stubs call a method is a property.
    committed_at = version_from(cast("Any", session).operation_time) if transaction.changed else None
    return Committed(value, committed_at)


async def _outcome(transaction: Transaction, body: Body[T]) -> T:
    """What the body returns or raises; but where the transaction failed in it, why that was, whatever the body made of it."""
    try:
        value = await body(transaction)
    except Exception as error:
        if transaction.failure is not None and transaction.failure is not error:
            raise transaction.failure from error
        raise
    if transaction.failure is not None:
        raise transaction.failure
    return value


async def _commit(session: Session, deadline: float) -> None:
    """Commit, again where the answer was lost: a second commit of the same transaction is the same commit."""
    while True:
        try:
            return await session.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult"):
                raise
            if time.monotonic() > deadline:
                raise OutcomeUnknownError(
                    "The database was lost during the commit. Look whether it happened before trying again."
                ) from error


async def _release(database: Database, session: Session) -> None:
    """Let go of what a transaction still holds on the server, if it does: left alone, that is locked for a minute."""
    # What Motor's type stubs call a method is a property.
    try:
        await database.command({"killSessions": [cast("Any", session).session_id]})
    except UnavailableError:
        log.warning("a transaction whose commit was not answered may hold its locks for a minute: the database is not there")


async def _to_the_end(call: Awaitable[T]) -> T:
    """The result of a driver's call, which runs in a thread that cannot be interrupted.

    A caller that is cancelled meanwhile is so after it, so that nobody uses the session at the same time.
    """
    running = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()
        raise


def _write_error(table: type[Row], error: Document) -> Exception:
    if error["code"] != _DUPLICATE_KEY:
        return WriteError(error["errmsg"], error["code"], error)
    conflict = ConflictError(_taken(table, [column for column in error["keyPattern"] if column != "account_id"]))
    conflict.__cause__ = DuplicateKeyError(error["errmsg"], error["code"], error)
    return conflict


def _upsert_error(table: type[Row], error: OperationFailure) -> Exception:
    if error.code == _DUPLICATE_KEY:
        return DuplicateKeyError(str(error), error.code, {"errorLabels": [_RUN_AGAIN]})
    if error.code == _BAD_VALUE and "$inc" in str(error):
        return InvalidInputError.of("input", f"a sum of the account's ({table.spec.noun}) would grow beyond what can be kept (64 bits)")
    return error


def _taken(table: type[Row], columns: list[str]) -> str:
    """In the caller's words: "A product with this sku exists already."."""
    noun = table.spec.noun
    if not columns:
        return f"This account has its {noun} already."
    words = " and ".join(column.strip("_").removesuffix("_key").replace("_", " ") for column in columns)
    article = "An" if noun[0] in "aeio" else "A"  # a user
    return f"{article} {noun} with this {words} exists already."


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
