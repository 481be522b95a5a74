"""Erasing an account: all that it has in every table, a bounded number of rows at a time, in any number of tries.

By then nobody can get into the account or follow it, so that its rows go without a farewell (0006), append-only ones too. What stands for a
row in a table without an owner goes before the row does: who is cut short finds it again by the row.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Final

from datastore.database import MAJORITY, Database
from datastore.schema import TABLES, ApiKey, ApiKeyHash, Invitation, InvitationCode, Job, JobTicket, WebhookEndpoint, WebhookQueue
from datastore.tables import IdentityRow, OwnedRow

BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class _Stand:
    """A table without an owner whose rows stand for those of an account, and the column that says for which."""

    table: type[IdentityRow]
    column: str


_STANDS: Final[Mapping[type[OwnedRow], _Stand]] = {
    ApiKey: _Stand(ApiKeyHash, "key_id"),
    Job: _Stand(JobTicket, "job_id"),
    Invitation: _Stand(InvitationCode, "invitation_id"),
    WebhookEndpoint: _Stand(WebhookQueue, "endpoint_id"),
}


async def erase_rows(database: Database, account_id: str) -> AsyncGenerator[int, None]:
    """Deletes all rows of an account, and tells of each batch how many they were. Raises UnavailableError."""
    for table in TABLES:
        if issubclass(table, OwnedRow):
            while ids := await _some(database, table, account_id):
                if table in _STANDS:
                    await _delete(database, _STANDS[table].table, _STANDS[table].column, ids)
                await _delete(database, table, "_id", ids)
                yield len(ids)


async def _some(database: Database, table: type[OwnedRow], account_id: str) -> list[str]:
    # Of the primary, and not of a snapshot: what was deleted just now must not come again.
    command = {"find": table.spec.name, "filter": {"account_id": account_id}, "projection": {"_id": 1}, "limit": BATCH}
    reply = await database.read({**command, "batchSize": BATCH, "singleBatch": True})
    return [document["_id"] for document in reply["cursor"]["firstBatch"]]


async def _delete(database: Database, table: type[OwnedRow] | type[IdentityRow], column: str, values: list[str]) -> None:
    deletion = {"q": {column: {"$in": values}}, "limit": 0}
    await database.command({"delete": table.spec.name, "deletes": [deletion], "writeConcern": MAJORITY})
