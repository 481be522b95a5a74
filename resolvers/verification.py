"""Whether what was uploaded is what it should be: it is read once, in little memory, from where nobody can change it any more."""

import hashlib
from contextlib import aclosing
from typing import Final

from datastore import schema as tables
from datastore.blobs import Blobs, NoBlobError
from datastore.errors import InvalidInputError, NotFoundError
from resolvers.actions import ActionContext, action
from resolvers.file_rows import refuse, settle
from resolvers.file_types import HEAD_BYTES, found_otherwise
from resolvers.functions import QueryContext
from resolvers.storage import arriving_key, blob_key

LONGEST_AT_ONCE: Final = 16 << 20
"""Bytes of a file that is verified while the client waits; larger ones are a job's work."""


async def verify_blob(blobs: Blobs, key: str, row: tables.File) -> str:
    """The SHA-256 of the bytes under a key, hexadecimal. Raises InvalidInputError, saying why, where they are not what the row says."""
    digest, head, size = hashlib.sha256(), bytearray(), 0
    try:
        async with aclosing(blobs.read(key)) as chunks:
            async for chunk in chunks:
                head += chunk[: HEAD_BYTES - len(head)]
                size += len(chunk)
                digest.update(chunk)
    except NoBlobError:
        raise InvalidInputError.of("fileId", "its content is gone") from None
    problem = _problem(row, size, bytes(head), digest.hexdigest())
    if problem is not None:
        raise InvalidInputError.of("fileId", problem)
    return digest.hexdigest()


def _problem(row: tables.File, size: int, head: bytes, sha256: str) -> str | None:
    if size != row.size_bytes:
        return f"{size:,} bytes were sent, not {row.size_bytes:,}"
    if row.sha256 is not None and sha256 != row.sha256:
        return f"the SHA-256 of what was sent is {sha256}"
    otherwise = found_otherwise(row.content_type, head)
    return None if otherwise is None else f"it was to be {row.content_type}, but {otherwise}"


@action(attempts=20, first_backoff=5, timeout=3600, at_once=2, listed=False)
async def verify_upload(ctx: ActionContext, *, file_id: str) -> None:
    """Reads a large file, and makes it READY or REFUSED."""
    row = await ctx.query(_find, file_id=file_id)
    if row.status != "VERIFYING" or row.blob is None:
        return
    try:
        sha256 = await verify_blob(ctx.outside.blobs, blob_key(row), row)
    except InvalidInputError as error:
        await ctx.mutate(refuse, file_id=file_id, problem=error.fields[0].message)
    else:
        await ctx.mutate(settle, file_id=file_id, blob=row.blob, sha256=sha256)
    await ctx.outside.blobs.delete_quietly(arriving_key(row))


async def _find(ctx: QueryContext, file_id: str) -> tables.File:
    row = await ctx.db.for_business.get(tables.File, file_id)
    if row is None:
        raise NotFoundError("The file was given up meanwhile.")
    return row
