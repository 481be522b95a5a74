"""Deleting what is past its time, in all accounts: for crons."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from datastore.database import MAJORITY, Database, Document
from datastore.tables import Policy, Row

BATCH: Final = 1000
_EVER: Final = datetime.fromtimestamp(0, UTC)


async def sweep(database: Database, table: type[Row], index: str, before: datetime) -> int:
    """Deletes the rows whose one key in an index is a moment before another; how many there were.

    The account stands before that key in the index of an owned table; the server leaps from account to account, so that the cost is that
    of the accounts and of what goes. Raises TypeError for a table whose changes are followed, as its rows must say farewell, and
    UnavailableError.
    """
    if table.spec.policy is Policy.ACCOUNT and table.spec.followed:
        raise TypeError(f"{table.spec.name} is followed: its rows are deleted by a Writer")
    [key] = table.spec.by_name[index].keys
    past = {key: {"$gt": _EVER, "$lt": before}}
    owned: Document = {"account_id": {"$gt": ""}} if table.spec.policy is Policy.ACCOUNT else {}
    swept = 0
    while True:
        find = {"find": table.spec.name, "filter": owned | past, "projection": {"_id": 1}, "hint": index, "limit": BATCH}
        found = (await database.read({**find, "batchSize": BATCH, "singleBatch": True}))["cursor"]["firstBatch"]
        if not found:
            return swept
        condition = {"_id": {"$in": [document["_id"] for document in found]}, **past}
        reply = await database.command({"delete": table.spec.name, "deletes": [{"q": condition, "limit": 0}], "writeConcern": MAJORITY})
        swept += reply["n"]


async def strike_off(database: Database, table: type[Row], ids: Sequence[str]) -> None:
    """Deletes rows that say what was to be done, once it is done, whoever owns them. Raises as `sweep`."""
    if table.spec.policy is Policy.ACCOUNT and table.spec.followed:
        raise TypeError(f"{table.spec.name} is followed: its rows are deleted by a Writer")
    deletion = {"q": {"_id": {"$in": list(ids)}}, "limit": 0}
    await database.command({"delete": table.spec.name, "deletes": [deletion], "writeConcern": MAJORITY})
