"""Group commit: mutations of one account that wait for each other are carried out as one transaction.

What a sale costs is less its rows than its commands and its commit; those of a whole line of sales are as many as those of one. The idea
is DeWitt et al., Implementation Techniques for Main Memory Database Systems (1984), who let many commits share one write of the log. Here
they share all their commands: each mutation runs on one `BulkWriter`, one after the other, and sees what those before it have written.
One that fails takes back what it has written and spoils no other.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from datastore.bulk_writing import BulkWriter, NotInBulkError
from datastore.database import Database
from datastore.errors import UnavailableError
from datastore.scope import Scope
from datastore.transactions import Committed, Transaction, run_transaction
from datastore.turns import Errand
from datastore.writing import Writer

log = logging.getLogger(__name__)

MOST_GIVEN: Final = 1000
"""Rows and sums after which a transaction takes no further mutation: that keeps it short, and the event loop free."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """Something to be done with the rows of an account. `body` may run several times, of which one counts."""

    scope: Scope
    body: Callable[[Writer], Awaitable[Any]]
    address: str = ""
    """Where the caller's request came from, if that is known."""


Member = Errand[Mutation, Committed[Any]]


async def carry_out(database: Database, members: Sequence[Member]) -> None:
    """Carries out mutations of one account, in their order, and tells each what came of it.

    A single one is a transaction as any other. A caller that is cancelled while there are more is so when all are done.
    """
    if len(members) == 1:
        await _alone(database, members[0])
        return
    running = asyncio.ensure_future(_all(database, members))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


async def _all(database: Database, members: Sequence[Member]) -> None:
    try:
        left = members
        while left:
            left = left[await _some(database, left) :]
    finally:
        for member in members:
            member.fail(UnavailableError("The server is stopping. Try again."))


async def _some(database: Database, members: Sequence[Member]) -> int:
    """Carries out as many of the first members as one transaction takes; how many those were."""
    try:
        outcomes = await _together(database, members)
    except UnavailableError as error:
        for member in members:
            member.fail(error)
        return len(members)
    except Exception as error:  # noqa: BLE001  # one of them cannot be stored: whose fault it is, each finds out alone
        log.info("%d mutations of one account could not be carried out together: %s", len(members), error)
        outcomes = [None] * len(members)
    for member, outcome in zip(members, outcomes, strict=False):
        if outcome is None:
            await _alone(database, member)
        elif isinstance(outcome, Committed):
            member.succeed(outcome)
        else:
            member.fail(outcome)
    return len(outcomes)


async def _alone(database: Database, member: Member) -> None:
    async def body(transaction: Transaction) -> Any:
        return await member.work.body(Writer(transaction, member.work.scope, member.work.address))

    try:
        member.succeed(await run_transaction(database, body))
    except Exception as error:  # noqa: BLE001  # raised where the mutation came from
        member.fail(error)


async def _together(database: Database, members: Sequence[Member]) -> list[Committed[Any] | Exception | None]:
    """What came of each of the first members, as many as one transaction takes; None for one that cannot be done in bulk."""

    async def body(transaction: Transaction) -> list[tuple[Any, bool] | Exception | None]:
        db = BulkWriter(transaction, members[0].work.scope)
        tried: list[tuple[Any, bool] | Exception | None] = []
        for member in members:
            if db.given > MOST_GIVEN:
                break
            tried.append(await _try(db, member.work))
        await db.flush()
        return tried

    committed = await run_transaction(database, body)
    return [Committed(one[0], committed.version if one[1] else None) if isinstance(one, tuple) else one for one in committed.value]


async def _try(db: BulkWriter, mutation: Mutation) -> tuple[Any, bool] | Exception | None:
    """The result of a mutation and whether it wrote anything, or what it raised; None where it cannot be done in bulk.

    That a command failed ends the whole transaction, whatever is made of it here.
    """
    given = db.given
    try:
        with db.savepoint():
            value = await mutation.body(db.acting_as(mutation.scope, mutation.address))
    except NotInBulkError:
        return None
    except Exception as error:  # noqa: BLE001  # raised where the mutation came from
        return error
    return value, db.given > given
