"""How files come: a client asks for a signed upload, sends the bytes to the file store itself, and says that it is done.

Whoever has the URL of an upload can write there until it expires, also after the upload was completed. So the bytes are first copied,
inside the store, to a key that no URL leads to; it is the copy that is looked at and, where it is what it should be, made visible. An
upload in parts needs no copy: its URLs are void once the parts have been joined, which only the server does.
"""

from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Final, Self

import strawberry
from pydantic import AfterValidator, BaseModel, Field

from datastore import schema as tables
from datastore.blobs import Blobs, NoBlobError
from datastore.errors import ConflictError, InvalidInputError, NotFoundError
from resolvers.arguments import id_of
from resolvers.file_rows import LINGERS, add_file, new_file, note_parts, settle
from resolvers.file_types import media_type
from resolvers.files import NAME, File, checked_folder, file_name
from resolvers.functions import MutationContext, ProcedureContext, QueryContext, procedure
from resolvers.scalars import Pieces, Quantity
from resolvers.storage import SignedPart, Storage, arriving_key, blob_key, new_version
from resolvers.verification import LONGEST_AT_ONCE, verify_blob, verify_upload

_SHA256: Final = r"^[0-9a-fA-F]{64}$"


@strawberry.enum(description="How a file of one piece is sent.")
class UploadMethod(Enum):
    """The methods of HTTP that a store takes files by."""

    POST = strawberry.enum_value(
        "POST", description="As a form (multipart/form-data): `fields` first, in any order, then the file as `file`."
    )
    PUT = strawberry.enum_value("PUT", description="As the body, with exactly these `headers`. For stores that take no forms.")


@strawberry.pydantic.input(description="A file to be uploaded.")
class CreateUploadInput(BaseModel):
    """A new file."""

    name: Annotated[str, AfterValidator(file_name)] = Field(description=NAME)
    content_type: Annotated[str, AfterValidator(media_type)] = Field(
        description="Its media type, such as `image/png`, which its content must have; parameters are left off."
    )
    size: Pieces = Field(description="Its exact size in bytes.")
    folder_id: strawberry.ID | None = Field(default=None, description="The folder to put it into; without it, it lies in none.")
    sha256: Annotated[str, AfterValidator(str.lower)] | None = Field(
        default=None,
        pattern=_SHA256,
        description="The SHA-256 of its bytes in 64 hexadecimal digits, which they must have; without it, it is worked out.",
    )
    method: UploadMethod = Field(
        default=UploadMethod.POST, description="How it is sent, where it is not so large that it is sent in parts."
    )


@strawberry.type(description="A field of a form, or a header.")
class UploadField:
    """A name and its value."""

    name: str = strawberry.field(description="Its name.")
    value: str = strawberry.field(description="Its value, to be sent as it is.")


@strawberry.type(
    description="One part of a large file, sent by PUT as the body of a request of its own. Parts may be sent in any order, and again."
)
class UploadPart:
    """A part of an upload."""

    number: int = strawberry.field(description="Its place in the file, from 1 on.")
    url: str = strawberry.field(description="Where to send it.")
    size: Quantity = strawberry.field(description="Its exact size in bytes: the file is cut into these one after the other.")

    @classmethod
    def of(cls, part: SignedPart) -> Self:
        """The part as the API shows it."""
        return cls(number=part.number, url=part.url, size=Quantity(part.size))


@strawberry.type(description="How to send a file to the file store. Then call `completeUpload`.")
class Upload:
    """A signed upload."""

    file: File = strawberry.field(description="The file, which is not READY yet.")
    method: UploadMethod = strawberry.field(description="How it is sent.")
    url: str | None = strawberry.field(description="Where it is sent; null where it is sent in parts.")
    fields: list[UploadField] = strawberry.field(description="What a form has before the file; empty for another method.")
    headers: list[UploadField] = strawberry.field(description="What a PUT is sent with; empty for another method.")
    parts: list[UploadPart] = strawberry.field(description="What a large file is sent in, each by PUT; empty for one of a single piece.")
    expires_at: datetime = strawberry.field(description="Until when it may be sent. What is not completed by a day later is forgotten.")


@procedure
async def create_upload(
    ctx: ProcedureContext, input: Annotated[CreateUploadInput, strawberry.argument(description="What is to be uploaded.")]
) -> Upload:
    """Signs the upload of a file, which goes to the file store directly. It takes its size of the quota from now on.

    CONFLICT where that is used up. Only the upload of a large file asks the file store, and may therefore be UNAVAILABLE.
    """
    storage = ctx.outside.storage
    if input.size > storage.largest_bytes:
        raise InvalidInputError.of("input.size", f"must be at most {storage.largest_bytes:,} bytes")
    row = (await ctx.mutate(reserve, input=input, quota_bytes=storage.quota_bytes, lives=storage.upload_time + LINGERS)).row
    if storage.in_parts(row.size_bytes):
        row = await _begin_parts(ctx, row)
    return _signed(storage, row, input.method, ctx.now)


@procedure
async def complete_upload(
    ctx: ProcedureContext, file_id: Annotated[strawberry.ID, strawberry.argument(description="The file that has been sent.")]
) -> File:
    """Makes an uploaded file READY, if its size, its type and its SHA-256 are what they should be. Large files are VERIFYING for a while.

    CONFLICT where it has not been sent yet, INVALID_INPUT where it is not what it should be: it can then be sent again until its upload
    expires. UNAVAILABLE where the file store does not answer: then it can be called again.
    """
    row = await ctx.query(_find, file_id=id_of(tables.File, file_id, "fileId"))
    if row.status != "PENDING":
        return File.of(row)
    blob = await _take_in(ctx, row)
    if row.size_bytes > LONGEST_AT_ONCE:
        return File.of(await ctx.mutate(_begin_verifying, file_id=row.id, blob=blob))
    return File.of(await _verified(ctx, row, blob))


async def reserve(ctx: MutationContext, input: CreateUploadInput, quota_bytes: int, lives: timedelta) -> File:
    """Stores the row of a file that is to be uploaded."""
    row = new_file(ctx, name=input.name, content_type=input.content_type, size=input.size, lapses_at=ctx.now + lives)
    folder_id = await checked_folder(ctx.db, input.folder_id, "input.folderId")
    return File.of(await add_file(ctx.db, row.model_copy(update={"folder_id": folder_id, "sha256": input.sha256}), quota_bytes))


async def _begin_parts(ctx: ProcedureContext, row: tables.File) -> tables.File:
    current = await ctx.query(_find, file_id=row.id)
    if current.upload_id is not None or current.status != "PENDING":  # the request was sent again, with its idempotency key
        return current
    blob = new_version()
    upload_id = await ctx.outside.blobs.begin_parts(blob_key(row, blob), row.content_type)
    return await ctx.mutate(note_parts, file_id=row.id, upload_id=upload_id, blob=blob)


def _signed(storage: Storage, row: tables.File, method: UploadMethod, now: datetime) -> Upload:
    url, sent = None, dict[str, str]()
    parts = storage.parts(row, now) if row.upload_id else []
    if parts:
        method = UploadMethod.PUT
    elif method is UploadMethod.POST:
        url, sent = storage.form(row, now)
    else:
        url, sent = storage.put(row, now)
    pairs = [UploadField(name=name, value=value) for name, value in sent.items()]
    return Upload(
        file=File.of(row),
        method=method,
        url=url,
        fields=pairs if method is UploadMethod.POST else [],
        headers=pairs if method is UploadMethod.PUT else [],
        parts=[UploadPart.of(part) for part in parts],
        expires_at=now + storage.upload_time,
    )


async def _find(ctx: QueryContext, file_id: str) -> tables.File:
    row = await ctx.db.get(tables.File, file_id)
    if row is None:
        raise NotFoundError("fileId: there is no such file.")
    return row


async def _take_in(ctx: ProcedureContext, row: tables.File) -> str:
    """Moves what was sent to where nobody can change it; the last part of its key there."""
    blobs = ctx.outside.blobs
    if row.upload_id is not None and row.blob is not None:
        await _join(ctx.outside.storage, blobs, row)
        return row.blob
    arrived = await blobs.head(arriving_key(row))
    if arrived is None:
        raise ConflictError("This file has not been sent yet.")
    if arrived.size != row.size_bytes:
        raise InvalidInputError.of("fileId", f"{arrived.size:,} bytes were sent, not {row.size_bytes:,}")
    blob = new_version()
    try:
        await blobs.copy(arriving_key(row), blob_key(row, blob))
    except NoBlobError:
        raise ConflictError("This file has not been sent yet.") from None
    return blob


async def _join(storage: Storage, blobs: Blobs, row: tables.File) -> None:
    """Makes a file of its parts, or finds that this was done."""
    key, upload_id = blob_key(row), row.upload_id or ""
    try:
        parts = await blobs.parts(key, upload_id)
        wanted = storage.part_sizes(row.size_bytes)
        there = {(part.number, part.size) for part in parts}
        missing = [number for number, size in enumerate(wanted, start=1) if (number, size) not in there]
        if missing:
            raise ConflictError(f"{len(missing)} of {len(wanted)} parts have not been sent yet, part {missing[0]} for one.")
        await blobs.finish_parts(key, upload_id, parts)
    except NoBlobError:
        if await blobs.head(key) is None:
            raise ConflictError("The parts of this file are no longer there: create the upload again.") from None


async def _begin_verifying(ctx: MutationContext, file_id: str, blob: str) -> tables.File:
    row = await ctx.db.get_existing(tables.File, file_id, "fileId")
    if row.status != "PENDING":
        return row
    await ctx.schedule(verify_upload, {"file_id": row.id})
    return await ctx.db.update(row, status="VERIFYING", blob=blob, lapses_at=ctx.now + LINGERS)


async def _verified(ctx: ProcedureContext, row: tables.File, blob: str) -> tables.File:
    """The file, READY. A copy that is not what it should be, or that came second, goes at once."""
    blobs, key = ctx.outside.blobs, blob_key(row, blob)
    try:
        sha256 = await verify_blob(blobs, key, row)
    except InvalidInputError:
        await blobs.delete_quietly(key)
        raise
    settled = await ctx.mutate(settle, file_id=row.id, blob=blob, sha256=sha256)
    await blobs.delete_quietly(arriving_key(row) if settled.blob == blob else key)
    return settled
