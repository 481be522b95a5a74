"""Files: what is stored, by name, folder and word, and the links that their bytes are fetched by. How they come is in `uploads.py`."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Final, Self

import strawberry

from datastore import schema as tables
from datastore.errors import InvalidInputError
from datastore.signing import LONGEST_SECONDS
from datastore.writing import Writer
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.connections import Connection
from resolvers.expense_receipts import check_no_receipt
from resolvers.file_lists import page_of_files
from resolvers.file_rows import remove_files
from resolvers.folders import Folder
from resolvers.functions import MutationContext, QueryContext, field, mutation, mutation_in_turn, query, shows
from resolvers.members import Member, member_of
from resolvers.nodes import Node, node_type
from resolvers.scalars import Quantity
from resolvers.text import name as name_rule
from resolvers.text import text_argument
from resolvers.thumbnails import Thumbnail, thumbnails_of

DEFAULT_SECONDS: Final = 300

NAME: Final = "What it is called, 1 to 200 characters, none of them a slash or a backslash. Several files may be called the same."

# Characters that turn the direction of what follows: a name could read as if it ended otherwise (Unicode Technical Report 36).
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@strawberry.enum(description="Where a file stands.")
class FileStatus(Enum):
    """The stations of a file."""

    PENDING = strawberry.enum_value("PENDING", description="Its upload is under way, or was given up.")
    VERIFYING = strawberry.enum_value(
        "VERIFYING", description="It has been uploaded, and is being read to see whether it is what it should be."
    )
    READY = strawberry.enum_value("READY", description="It is what it should be; it will not change.")
    REFUSED = strawberry.enum_value("REFUSED", description="It is not what it should be; `problem` says why. It goes after a day.")
    LOST = strawberry.enum_value("LOST", description="Its bytes are no longer in the file store.")


def file_name(value: str) -> str:
    """What a file is called: a name without a path, in one direction. Raises ValueError."""
    name = name_rule(value)
    if "/" in name or "\\" in name or name in {".", ".."}:
        raise ValueError("must be a name without a path")
    if _TURNING & set(name):
        raise ValueError("must not contain characters that turn the direction of writing")
    return name


@node_type(tables.File)
@strawberry.type(description="A file. Its bytes are in the file store, which clients send them to and fetch them from themselves.")
class File(Node):
    """A file of the caller's account."""

    row: strawberry.Private[tables.File]
    name: str = strawberry.field(description="What it is called.")
    content_type: str = strawberry.field(description="Its media type. That of a file that is READY was found in its bytes.")
    size: Quantity = strawberry.field(description="Its bytes.", metadata=shows("size_bytes"))
    sha256: str | None = strawberry.field(
        description="The SHA-256 of its bytes, hexadecimal; before it is READY, what that must be, or null.", name="sha256"
    )
    status: FileStatus = strawberry.field(description="Where it stands.")
    problem: str | None = strawberry.field(description="Why it was refused; null where it was not.")
    deleted_at: datetime | None = strawberry.field(description="When it was put into the bin; null where it was not.")
    thumbnail_problem: str | None = strawberry.field(
        description="Why there are no thumbnails of a picture; null where there are, or they are not made yet."
    )

    @classmethod
    def of(cls, row: tables.File) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            name=row.name,
            content_type=row.content_type,
            size=Quantity(row.size_bytes),
            sha256=row.sha256,
            status=FileStatus(row.status),
            problem=row.problem,
            deleted_at=row.deleted_at,
            thumbnail_problem=row.thumbnail_problem,
        )

    @field(columns=["status", "blob", "name", "content_type", "private", "uploaded_by_id"])
    async def download_url(
        self,
        ctx: QueryContext,
        expires_in: Annotated[
            int,
            strawberry.argument(description="For how many seconds it is good, 1 to 604,800 (a week). In the second half it is replaced."),
        ] = DEFAULT_SECONDS,
        inline: Annotated[
            bool,
            strawberry.argument(
                description="Whether browsers may show it: images (but not SVG), PDF and plain text. All else is saved, whatever this says."
            ),
        ] = False,
    ) -> str | None:
        """Where its bytes can be fetched, by whoever has this, until it expires; null where it is not READY, or is what somebody else was
        handed about themself.
        """
        if not 1 <= expires_in <= LONGEST_SECONDS:
            raise InvalidInputError.of("expiresIn", f"must be from 1 to {LONGEST_SECONDS:,}")
        if self.row.status != "READY" or self.row.blob is None:
            return None
        if self.row.private and self.row.uploaded_by_id != ctx.scope.user_id:
            return None
        url, until = ctx.storage.download(self.row, ctx.instant, expires_in, inline=inline)
        ctx.usage.holds_until(until)
        return url

    @field(columns=["content_type"])
    async def thumbnails(self, ctx: QueryContext) -> list[Thumbnail]:
        """Small pictures of a JPEG, PNG, WebP or GIF file, the smallest first: made moments after it is READY, and empty until then."""
        return await thumbnails_of(ctx, self.row)

    @field(columns=["folder_id"])
    async def folder(self, ctx: QueryContext) -> Folder | None:
        """The folder it lies in; null where it lies in none."""
        row = await ctx.db.shown.get(tables.Folder, self.row.folder_id) if self.row.folder_id else None
        return None if row is None else Folder.of(row)

    @field(columns=["uploaded_by_id"])
    async def uploaded_by(self, ctx: QueryContext) -> Member | None:
        """Who uploaded it, or asked for it to be made; null where they have left the business."""
        return await member_of(ctx.db.shown, self.row.uploaded_by_id)


@strawberry.type(description="What the files of the business take.")
class StorageUsage:
    """The quota of the caller's account, and what is used of it."""

    used: Quantity = strawberry.field(
        description="Bytes of all files: those in the bin and those whose upload is under way take theirs, too."
    )
    quota: Quantity = strawberry.field(description="Bytes that there may be.")
    files: Quantity = strawberry.field(description="How many files these are.")

    @classmethod
    def over(cls, row: tables.StorageUsage | None, quota_bytes: int) -> Self:
        """The row as the API shows it; without one there never was a file."""
        return cls(used=Quantity(row.bytes if row else 0), quota=Quantity(quota_bytes), files=Quantity(row.files if row else 0))


FileId = Annotated[strawberry.ID, strawberry.argument(description="The id of a file.")]


@query
async def files(
    ctx: QueryContext,
    folder_id: Annotated[
        strawberry.ID | None, strawberry.argument(description="Only the files in this folder; null: only those in none.")
    ] = strawberry.UNSET,
    first: First = DEFAULT_PAGE,
    after: After = None,
    search: Annotated[
        str | None,
        strawberry.argument(
            description="Only files whose names have words that begin with each of these, accents and case folded; up to 200 characters."
        ),
    ] = None,
) -> Connection[File]:
    """Your files that are READY and not in the bin, by name."""
    anywhere = folder_id is strawberry.UNSET
    folder = None if anywhere or folder_id is None else id_of(tables.Folder, folder_id, "folderId")
    page = await page_of_files(ctx.db.shown, () if anywhere else (folder,), search, first=first, after=after)
    return Connection.of(page, File.of)


@query
async def file(ctx: QueryContext, id: FileId) -> File | None:
    """One of your files, also while it is under way, and in the bin; null where there is none with this id that you may see."""
    row = await ctx.db.shown.get(tables.File, id_of(tables.File, id, "id"))
    return None if row is None else File.of(row)


@query
async def storage_usage(ctx: QueryContext) -> StorageUsage:
    """What your files take, and how much that may be."""
    return StorageUsage.over(await ctx.db.find(tables.StorageUsage, "by_key"), ctx.storage.quota_bytes)


@mutation
async def rename_file(ctx: MutationContext, id: FileId, name: Annotated[str, strawberry.argument(description=NAME)]) -> File:
    """Calls a file something else."""
    row = await existing_file(ctx, id, "id")
    return File.of(await ctx.db.update(row, name=text_argument(name, file_name, "name")))


@mutation
async def move_file(
    ctx: MutationContext,
    id: FileId,
    folder_id: Annotated[
        strawberry.ID | None, strawberry.argument(description="The folder to put it into; null takes it out of its folder.")
    ] = None,
) -> File:
    """Puts a file into a folder."""
    row = await existing_file(ctx, id, "id")
    return File.of(await ctx.db.update(row, folder_id=await checked_folder(ctx.db, folder_id, "folderId")))


@mutation_in_turn
async def delete_file(ctx: MutationContext, id: FileId) -> File:
    """Puts a file into the bin, from where it can be restored for a while. What is in the bin already stays there as it is.

    An upload that is still under way is given up, for good. Rows that show the file (products, people, settings) do so again once it is
    restored. CONFLICT where it is a receipt of an expense: take it off there first.
    """
    row = await existing_file(ctx, id, "id")
    if row.shelf == "NEW":
        await remove_files(ctx.db, [row])
        return File.of(row)
    if row.shelf == "BIN":
        return File.of(row)
    await check_no_receipt(ctx.db, row)
    return File.of(await ctx.db.update(row, deleted_at=ctx.now))


@mutation
async def restore_file(ctx: MutationContext, id: FileId) -> File:
    """Takes a file out of the bin, back to where it was; where its folder is no longer there, into none."""
    row = await existing_file(ctx, id, "id")
    return File.of(await ctx.db.update(row, deleted_at=None))


async def existing_file(ctx: MutationContext, id: str, path: str) -> tables.File:
    """The account's file with this id. Raises NotFoundError, and InvalidInputError for the id of something else."""
    return await ctx.db.get_existing(tables.File, id_of(tables.File, id, path), path)


async def checked_folder(db: Writer, folder_id: str | None, path: str) -> str | None:
    """The id of a folder of the account. Raises NotFoundError, InvalidInputError."""
    return None if folder_id is None else (await db.get_existing(tables.Folder, id_of(tables.Folder, folder_id, path), path)).id
