"""Gives rows that are older than a column its value in them: the column's default, null, or what is computed of the others."""

from typing import Final

from pymongo.errors import WriteError

from datastore.columns import columns_of
from datastore.database import MAJORITY, Database, Document
from datastore.tables import Row

BATCH: Final = 500
"""Rows in one command."""


def fillable(table: type[Row]) -> set[str]:
    """The columns that a row can lack and be given: those with a default, those that may be null, those that are computed."""
    defaults = {name for name, field in table.model_fields.items() if not field.is_required()}
    nullable = {name for name, column in columns_of(table).items() if column.nullable}
    return defaults | nullable | table.model_computed_fields.keys()


def lacking(table: type[Row], validator: Document | None) -> list[str]:
    """The fillable columns that rows may lack which are stored under this validator."""
    required = (validator or {}).get("$jsonSchema", {}).get("required", [])
    return sorted(fillable(table) - set(required))


async def fill(database: Database, table: type[Row], columns: list[str]) -> int:
    """Give these columns to all rows that lack one, a batch at a time, while others write; how many rows there were.

    Their `updated_at` stays: what they mean is what it was. Raises WriteError where the validator refuses a row with them.
    """
    filled, met = 0, True
    while met:
        given, met = await _pass(database, table, columns)
        filled += given
    return filled


async def _pass(database: Database, table: type[Row], columns: list[str]) -> tuple[int, bool]:
    """Once through the table: how many rows were given the columns, and whether any lacked one.

    A row that somebody changes meanwhile is left for the next time.
    """
    condition: Document = {"$or": [{name: {"$exists": False}} for name in columns]}
    given, last = 0, ""
    while True:
        shape = {"filter": {"_id": {"$gt": last}, **condition}, "sort": {"_id": 1}, "hint": "_id_", "limit": BATCH, "batchSize": BATCH + 1}
        reply = await database.command({"find": table.spec.name, **shape, "readConcern": {"level": "majority"}})
        documents = reply["cursor"]["firstBatch"]
        if not documents:
            return given, last != ""
        updates = [_statement(table, columns, document) for document in documents]
        reply = await database.command({"update": table.spec.name, "updates": updates, "ordered": False, "writeConcern": MAJORITY})
        for refused in reply.get("writeErrors", ()):
            raise WriteError(refused["errmsg"], refused["code"], refused)
        given, last = given + reply["n"], documents[-1]["_id"]


def _statement(table: type[Row], columns: list[str], document: Document) -> Document:
    whole = table.from_document(document).to_document()
    missing = {name: whole[name] for name in columns if name not in document}
    return {"q": {"_id": {"$eq": document["_id"]}, "updated_at": {"$eq": document["updated_at"]}}, "u": {"$set": missing}}
