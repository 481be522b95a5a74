"""The feed of changes: what one account is told of, where in it one stands, and how to catch up from there.

A position is the time of a change and its resume token. Tokens of one deployment compare, as texts, as their changes follow each other
(https://www.mongodb.com/docs/manual/changeStreams/#resume-tokens-from-change-streams): that tells apart the changes of one transaction. A
feed is read again from the time of a position on, and what is not behind the position is left out; unlike resuming at the token itself,
that works for any selection of changes.

A row that is updated and then deleted may be told of by its deletion alone: whose it was can't be looked up any more for the update.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from datastore.changes import Change, ChangeStream, GapError, StreamLostError, of_owners
from datastore.cursors import Cursors
from datastore.database import Database
from datastore.errors import ConflictError, InvalidInputError, UnavailableError
from datastore.schema import TABLES_BY_NAME
from datastore.tables import Policy
from datastore.validators import FAREWELL, GUARD
from datastore.versions import BEGINNING, Version, from_wire, to_wire

Operation = Literal["INSERT", "UPDATE", "DELETE"]

STRETCH_CHANGES: Final = 500
"""Changes that are read at once when catching up; an answer's worth may come on top."""
_BATCH: Final = 100
_AWAIT_MS: Final = 20
_PATIENCE_SECONDS: Final = 50.0
"""A server that has to look through hours of changes answers late, and within the driver's own limit."""
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS, _TRIES = 0.05, 2.0, 10

FOLLOWED: Final = frozenset(name for name, table in TABLES_BY_NAME.items() if table.spec.policy is Policy.ACCOUNT and table.spec.followed)
"""The tables that accounts are told of."""
_HIDDEN: Final = frozenset({GUARD, FAREWELL})
_BEHIND_ALL: Final = "~"  # Tokens are hexadecimal.


class Position(NamedTuple):
    """A place in the order of all changes: behind one of them."""

    time: Version
    token: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive changes of one account, read from a position on; `reached` is how far, `complete` whether that is as far as was asked."""

    changes: list[Change]
    reached: Position
    complete: bool


def position_of(change: Change) -> Position:
    """The place right behind a change."""
    return Position(change.time, change.token)


def end_of(time: Version) -> Position:
    """The place behind all changes of a time."""
    return Position(time, _BEHIND_ALL)


def operation_of(change: Change) -> Operation | None:
    """What a change is to who follows it; None where it is nothing.

    A deletion is told of when the row says farewell, for then it is known whose it was; the event of the deletion itself follows in the
    same transaction. What was deleted by other hands than ours said nothing, and is nobody's.
    """
    if change.owner is None or change.table not in FOLLOWED:
        return None
    if change.parting:
        return "DELETE"
    if change.kind == "insert":
        return "INSERT"
    return None if change.kind == "delete" or (change.fields is not None and change.fields <= _HIDDEN) else "UPDATE"


def cursor_of(cursors: Cursors, account_id: str, change: Change) -> str:
    """The cursor by which an account goes on behind a change."""
    return cursors.sign(_context(account_id), [to_wire(change.time), change.token])


def position_at(cursors: Cursors, account_id: str, after: str) -> Position:
    """The place that a cursor stands for, or the end of a version.

    Raises InvalidInputError for a cursor that this account was not given.
    """
    version = from_wire(after)
    if version is not None:
        return end_of(version)
    time, token = cursors.open(_context(account_id), after)
    found = from_wire(str(time))
    if found is None:
        raise InvalidInputError.of("after", "not a cursor")
    return Position(found, str(token))


def _context(account_id: str) -> bytes:
    return b"changes " + account_id.encode()


async def catch_up(database: Database, account_id: str, after: Position, until: Version) -> Stretch:
    """The account's changes behind a position up to a version, or the first of them where there are many.

    Raises ConflictError where they can no longer be told, and UnavailableError where the database does not answer in a while.
    """
    delay = _FIRST_RETRY_SECONDS
    for _ in range(_TRIES - 1):
        try:
            return await _read(database, account_id, after, until)
        except StreamLostError:
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LAST_RETRY_SECONDS)
    try:
        return await _read(database, account_id, after, until)
    except StreamLostError as error:
        raise UnavailableError("The changes can't be read just now. Try again in a moment.") from error


async def _read(database: Database, account_id: str, after: Position, until: Version) -> Stretch:
    stream = ChangeStream(database, patience=_PATIENCE_SECONDS, only=of_owners(account_id), await_ms=_AWAIT_MS, batch=_BATCH)
    changes: list[Change] = []
    try:
        # MongoDB takes no time of zero, which is no time.
        await stream.open(max(Version(after.time - 1), BEGINNING))
        reached = max(after, end_of(stream.position))
        while stream.position < until and len(changes) < STRETCH_CHANGES:
            read = await stream.poll()
            changes += _told_behind(after, read)
            reached = max(reached, end_of(stream.position), *map(position_of, read[-1:]))
    except GapError as error:
        raise ConflictError("The changes since this cursor are not kept any more: read everything again, and follow from there.") from error
    finally:
        await stream.close()
    return Stretch(changes, reached, complete=stream.position >= until)


def without_row(change: Change) -> Change:
    """The change as it is kept for who reads slowly: its row, which may be large, is read again when it is shown."""
    return replace(change, row=None)


def _told_behind(after: Position, changes: Iterable[Change]) -> list[Change]:
    return [without_row(change) for change in changes if position_of(change) > after and operation_of(change) is not None]
