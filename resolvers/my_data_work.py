"""The work of handing somebody all that is kept about them, and owners all that is kept of their business, in one ZIP file.

People are owed that (GDPR, articles 15 and 20), in a form that programs read: JSON and JSON Lines.
"""

import asyncio
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson
from pydantic.alias_generators import to_camel

from datastore import schema as tables
from datastore.columns import columns_of
from datastore.tables import OwnedRow, Row
from resolvers.actions import ActionContext, Outcome, action
from resolvers.exports import RowSource
from resolvers.functions import IdentityQueryContext, QueryContext
from resolvers.stored_files import store_result
from resolvers.table_files import file_chunks

ZIP: Final = "application/zip"
TIMEOUT: Final = 3600.0

_SECRETS: Final = frozenset(
    {"password_hash", "refresh_hash", "previous_refresh_hash", "family_hash", "sealed_secret", "secret", "old_secret"}
)
"""Columns that prove who somebody is, and say nothing about them."""

_HANDED_OUT_TOO: Final = {tables.ExpenseReceipt, tables.Invitation, tables.ApiKey, tables.WebhookEndpoint, tables.AuditEvent}
"""Tables that no live query follows, and that nothing else could be told from."""

_READ_ME: Final = """What Tillstream keeps, as of the moment that this file was made.

profile.json, sessions.json and membership.json are about you. Each file under business/ holds the rows of one table of the
business, one JSON object a line; amounts that end in Minor are in the smallest unit of their currency, times are UTC. What stands in
files is not repeated: business/files.jsonl lists them, and the API gives their content.
"""


@action(attempts=5, first_backoff=10, timeout=TIMEOUT, at_once=1, private=True)
async def export_my_data(ctx: ActionContext) -> Outcome:
    """Gathers what is about the person, and, for an owner, writes all into a ZIP file. Its progress counts tables."""
    about = {**await ctx.query(_about_person), "membership": await ctx.query(_membership)}
    if ctx.scope.role != "OWNER":
        return Outcome(about)
    return Outcome(about, await store_result(ctx, name="my-data.zip", content_type=ZIP, chunks=_zipped(ctx, about), private=True))


async def _zipped(ctx: ActionContext, about: Mapping[str, Any]) -> AsyncIterator[bytes]:
    with TemporaryDirectory(prefix="tillstream-") as folder:
        path = Path(folder, "my-data.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.txt", _READ_ME)
            for name, content in about.items():
                archive.writestr(f"{name}.json", orjson.dumps(content, option=orjson.OPT_INDENT_2))
            await _add_business(ctx, archive)
        async with aclosing(file_chunks(path)) as pieces:
            async for piece in pieces:
                yield piece


async def _add_business(ctx: ActionContext, archive: zipfile.ZipFile) -> None:
    handed_out = business_tables()
    for number, table in enumerate(handed_out, start=1):
        with archive.open(f"business/{table.spec.name}.jsonl", "w", force_zip64=True) as file:
            async with aclosing(ctx.stream(all_rows, table)) as batches:
                async for rows in batches:
                    lines = b"".join([orjson.dumps(shown(row), option=orjson.OPT_APPEND_NEWLINE) for row in rows])
                    await asyncio.to_thread(file.write, lines)
        await ctx.progress(number, len(handed_out))


def business_tables() -> list[type[OwnedRow]]:
    """The tables whose rows the business is told of, and what it set up besides: the others hold sums of these, and machinery."""
    return [table for table in tables.TABLES if issubclass(table, OwnedRow) and (table.spec.followed or table in _HANDED_OUT_TOO)]


def shown(row: Row) -> dict[str, Any]:
    """A row as JSON holds it, its columns named as in the API, without what is secret."""
    left_out = _SECRETS | type(row).model_computed_fields.keys()
    return {to_camel(name): value for name, value in row.model_dump(mode="json", exclude=set(left_out)).items()}


async def all_rows(source: RowSource, table: type[OwnedRow]) -> AsyncGenerator[tuple[OwnedRow, ...], None]:
    """All of the account's rows of a table."""
    async with aclosing(source.rows(table, whole_index(table))) as batches:
        async for rows in batches:
            yield rows


def whole_index(table: type[OwnedRow]) -> str:
    """An index that each row is in once. Raises TypeError where a table has none."""
    columns = columns_of(table)
    for index in table.spec.indexes:
        keys = [columns[key] for key in index.keys]
        if all(key.kind != "strings" and not (index.unique and key.nullable) for key in keys):
            return index.name
    raise TypeError(f"{table.spec.name} has no index that each row is in once")


async def _about_person(ctx: IdentityQueryContext) -> dict[str, Any]:
    user = await ctx.identity.get(tables.User, ctx.scope.user_id)
    sessions = await ctx.identity.list(tables.Session, "by_user", ctx.scope.user_id)
    return {
        "profile": None if user is None else shown(user),
        "sessions": [shown(row) for row in sessions],
    }


async def _membership(ctx: QueryContext) -> dict[str, Any] | None:
    row = await ctx.db.find(tables.Member, "by_user", ctx.scope.user_id)
    return None if row is None else shown(row)
