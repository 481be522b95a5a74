"""Thumbnails: small pictures of files that are pictures, made by a job once the file is READY."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import Enum
from typing import Annotated, Final, Self

import strawberry

from datastore import schema as tables
from datastore.blobs import NoBlobError
from datastore.errors import InvalidInputError, NotFoundError
from datastore.signing import LONGEST_SECONDS
from resolvers.actions import ActionContext, PermanentError, action
from resolvers.functions import MutationContext, QueryContext, field
from resolvers.pictures import CONTENT_TYPE, FORMATS, MOST_BYTES, SmallPicture, UnfitPictureError, small_pictures
from resolvers.storage import blob_key, thumbnail_key

SIDES: Final = {"SMALL": 128, "LARGE": 512}
"""The longest side of each size, in pixels."""

DEFAULT_SECONDS: Final = 3600


@strawberry.enum(description="How large a thumbnail is.")
class ThumbnailSize(Enum):
    """The sizes of thumbnails."""

    SMALL = strawberry.enum_value("SMALL", description="At most 128 pixels wide and high.")
    LARGE = strawberry.enum_value("LARGE", description="At most 512 pixels wide and high.")


@strawberry.type(description="A small picture of a file, in WebP: the right way up, without what the file says of where it was taken.")
class Thumbnail:
    """A thumbnail of a file of the caller's account."""

    row: strawberry.Private[tables.Thumbnail]
    size: ThumbnailSize = strawberry.field(description="Which of the sizes it is.")
    width: int = strawberry.field(description="Pixels from left to right.")
    height: int = strawberry.field(description="Pixels from top to bottom.")

    @classmethod
    def of(cls, row: tables.Thumbnail) -> Self:
        """The row as the API shows it."""
        return cls(row=row, size=ThumbnailSize(row.size), width=row.width, height=row.height)

    @field()
    async def url(
        self,
        ctx: QueryContext,
        expires_in: Annotated[
            int,
            strawberry.argument(description="For how many seconds it is good, 1 to 604,800 (a week). In the second half it is replaced."),
        ] = DEFAULT_SECONDS,
    ) -> str:
        """Where it can be fetched, by whoever has this, until it expires."""
        if not 1 <= expires_in <= LONGEST_SECONDS:
            raise InvalidInputError.of("expiresIn", f"must be from 1 to {LONGEST_SECONDS:,}")
        url, until = ctx.storage.picture(thumbnail_key(self.row), CONTENT_TYPE, ctx.instant, expires_in)
        ctx.usage.holds_until(until)
        return url


async def thumbnails_of(ctx: QueryContext, file: tables.File) -> list[Thumbnail]:
    """The thumbnails of a file, to whoever sees that, the smallest first; none where it is no picture, or they are not made yet."""
    if file.content_type not in FORMATS:
        return []
    page = await ctx.db.for_business.shown.page(tables.Thumbnail, "by_file", (file.id,), first=len(SIDES))
    return [Thumbnail.of(row) for row in page.rows]


async def plan_thumbnails(ctx: MutationContext, file: tables.File) -> None:
    """Has the thumbnails of a file made that has just become READY, if it is a picture."""
    if file.content_type in FORMATS:
        await ctx.schedule(make_thumbnails, {"file_id": file.id})


@action(attempts=5, first_backoff=5, timeout=120, at_once=1, listed=False)
async def make_thumbnails(ctx: ActionContext, *, file_id: str) -> None:
    """Makes the thumbnails of a picture, one picture at a time in each process: a large one takes a few hundred megabytes."""
    file = await ctx.query(_unmade, file_id=file_id)
    if file is None:
        return
    try:
        content = await _content(ctx, file)
        made = await asyncio.to_thread(small_pictures, content, file.content_type, list(SIDES.values()))
    except UnfitPictureError as error:
        await ctx.mutate(_give_up, file_id=file_id, problem=str(error))
        raise PermanentError(str(error)) from None
    await _keep(ctx, file, dict(zip(SIDES, made, strict=True)))


async def small_picture(ctx: ActionContext, file_id: str) -> bytes | None:
    """The larger thumbnail of a file that is shown, in WebP; None where there is none (yet)."""
    row = await ctx.query(_larger, file_id=file_id)
    try:
        return None if row is None else await _read(ctx, thumbnail_key(row))
    except NoBlobError:
        return None


async def _content(ctx: ActionContext, file: tables.File) -> bytes:
    """The bytes of a picture, not more than can be looked at."""
    if file.size_bytes > MOST_BYTES:
        raise UnfitPictureError(f"The file is larger than {MOST_BYTES >> 20} MiB.")
    try:
        return await _read(ctx, blob_key(file))
    except NoBlobError:
        raise PermanentError("The content of the file is lost.") from None


async def _read(ctx: ActionContext, key: str) -> bytes:
    async with aclosing(ctx.outside.blobs.read(key)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def _keep(ctx: ActionContext, file: tables.File, made: dict[str, SmallPicture]) -> None:
    """Stores the pictures, then their rows: where there is a row, there is a picture. Where the file went meanwhile, none stay behind."""
    rows = {size: _row(ctx, file, size, small) for size, small in made.items()}
    for size, small in made.items():
        await ctx.outside.blobs.write(thumbnail_key(rows[size]), CONTENT_TYPE, _whole(small.content))
    try:
        await ctx.mutate(_store, rows=list(rows.values()))
    except NotFoundError:
        await ctx.outside.blobs.delete(map(thumbnail_key, rows.values()))
        raise PermanentError("The file was deleted meanwhile.") from None


async def _whole(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


def _row(ctx: ActionContext, file: tables.File, size: str, small: SmallPicture) -> tables.Thumbnail:
    return tables.Thumbnail(
        id=tables.Thumbnail.new_id(),
        created_at=ctx.now(),
        updated_at=ctx.now(),
        account_id=file.account_id,
        file_id=file.id,
        size="SMALL" if size == "SMALL" else "LARGE",
        width=small.width,
        height=small.height,
    )


# What follows is done by the business: whoever uploaded a file may have lost their role since.


async def _unmade(ctx: QueryContext, file_id: str) -> tables.File | None:
    """A file that is to have thumbnails; None where it has, or is gone."""
    file = await ctx.db.for_business.get(tables.File, file_id)
    if file is None or file.status != "READY" or file.content_type not in FORMATS:
        return None
    return None if await ctx.db.for_business.find(tables.Thumbnail, "by_size", file_id, "SMALL") else file


async def _larger(ctx: QueryContext, file_id: str) -> tables.Thumbnail | None:
    file = await ctx.db.for_business.get(tables.File, file_id)
    shown = file is not None and file.shelf == "SHOWN"
    return await ctx.db.for_business.find(tables.Thumbnail, "by_size", file_id, "LARGE") if shown else None


async def _store(ctx: MutationContext, rows: list[tables.Thumbnail]) -> None:
    """Stores rows of thumbnails, but where another attempt has; the last chance of one that was thought dead."""
    if await ctx.db.for_business.find(tables.Thumbnail, "by_size", rows[0].file_id, rows[0].size) is None:
        await ctx.db.for_business.insert_all(rows)


async def _give_up(ctx: MutationContext, file_id: str, problem: str) -> None:
    file = await ctx.db.for_business.get(tables.File, file_id)
    if file is not None:
        await ctx.db.for_business.update(file, thumbnail_problem=problem)
