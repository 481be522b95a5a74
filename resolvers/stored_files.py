"""Files as the rest of the business uses them: actions store what they made and read what was uploaded, rows refer to files."""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from typing import Any

from datastore import schema as tables
from datastore.blobs import NoBlobError
from datastore.errors import InvalidInputError, NotFoundError
from datastore.ids import check_id
from datastore.reading import Reader
from datastore.writing import Writer
from resolvers.actions import ActionContext, PermanentError
from resolvers.file_rows import add_file, new_file
from resolvers.functions import MutationContext, QueryContext
from resolvers.storage import FINAL, blob_key, new_version


async def store_result(ctx: ActionContext, *, name: str, content_type: str, chunks: AsyncIterable[bytes], private: bool = False) -> str:
    """Stores what an action made as a file of the account, whose bytes are for who scheduled it alone where it is `private`; its id.

    The bytes go to the file store as they come, in little memory, and count in the quota. One job stores one file of a name: an attempt
    after it gets the same id, and nothing more is stored. Raises ConflictError where the quota is used up, UnavailableError where the file
    store does not answer.
    """
    origin = f"{ctx.handle}/{name}"
    kept = await ctx.query(_made, origin=origin)
    if kept is not None:
        return kept
    file_id, version = tables.File.new_id(), new_version()
    key = f"{FINAL}{ctx.scope.account_id}/{file_id}/{version}"
    stored = await ctx.outside.blobs.write(key, content_type, chunks)
    kind = {"name": name, "content_type": content_type, "size": stored.size}
    facts = {"id": file_id, "blob": version, "origin": origin, "sha256": stored.sha256, "status": "READY", "private": private}
    row = await ctx.mutate(_keep, kind=kind, facts=facts, quota_bytes=ctx.outside.storage.quota_bytes)
    return row.id


async def read_stored(ctx: ActionContext, file_id: str) -> AsyncGenerator[bytes, None]:
    """The bytes of a READY file, as they come. Raises PermanentError where there is no such file, or its bytes are lost."""
    row = await ctx.query(_ready, file_id=file_id)
    if row is None:
        raise PermanentError("There is no such file.")
    async with aclosing(ctx.outside.blobs.read(blob_key(row))) as chunks:
        try:
            async for chunk in chunks:
                yield chunk
        except NoBlobError:
            raise PermanentError("The content of the file is lost.") from None


async def usable_file(db: Reader | Writer, id: str, path: str, kinds: Sequence[str] = ("image/",)) -> tables.File:
    """The account's file with this id, for a row to refer to: READY, not in the bin, of a type that begins with one of `kinds`.

    `path` is the argument's. Raises InvalidInputError, and NotFoundError where there is no such file.
    """
    check_id(id, tables.File.spec.prefix, tables.File.spec.noun, path)
    row = await db.get(tables.File, id)
    if row is None or row.shelf == "BIN":
        raise NotFoundError(f"{path}: there is no such file.")
    if row.status != "READY":
        raise InvalidInputError.of(path, "a file that is not READY")
    if not row.content_type.startswith(tuple(kinds)):
        raise InvalidInputError.of(path, f"a file of another type: {row.content_type}")
    return row


async def _made(ctx: QueryContext, origin: str) -> str | None:
    row = await ctx.db.for_business.find(tables.File, "by_origin", origin)
    return None if row is None else row.id


async def _ready(ctx: QueryContext, file_id: str) -> tables.File | None:
    row = await ctx.db.get(tables.File, file_id)
    return row if row is not None and row.status == "READY" else None


async def _keep(ctx: MutationContext, *, kind: dict[str, Any], facts: dict[str, Any], quota_bytes: int) -> tables.File:
    """Stores the row of a file whose bytes are in the store already."""
    db = ctx.db.for_business  # what a job may make was decided where it was scheduled
    made = await db.find(tables.File, "by_origin", facts["origin"])
    if made is not None:
        return made
    return await add_file(db, new_file(ctx, **kind, lapses_at=None).model_copy(update=facts), quota_bytes)
