"""Folders: where files lie."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final, Self

import strawberry
from pydantic import AfterValidator, BaseModel, Field

from datastore import schema as tables
from datastore.errors import ConflictError
from datastore.reading import Reader
from datastore.writing import Writer
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.connections import Connection
from resolvers.file_lists import page_of_files
from resolvers.file_references import AnyFile
from resolvers.folder_contents import clear_out, is_empty
from resolvers.folder_tree import check_depth, folders_below, hang, line_below
from resolvers.functions import MutationContext, QueryContext, field, mutation, query
from resolvers.nodes import Node, node_of, node_type
from resolvers.text import name as name_rule
from resolvers.text import text_argument

MOST_DELETED: Final = 500
"""Folders below one that is deleted: one transaction has to end within seconds."""

NAME = (
    "What the folder is called, 1 to 200 characters, none of them a slash, and not `.` or `..`. "
    "No two in one folder are called the same, accents and case aside."
)


def folder_name(value: str) -> str:
    """What a folder is called: a name that can be a part of a path."""
    name = name_rule(value)
    if "/" in name or name in {".", ".."}:
        raise ValueError('must not contain "/", nor be "." or ".."')
    return name


@node_type(tables.Folder)
@strawberry.type(description="A place for files and for other folders.")
class Folder(Node):
    """A folder of the caller's account."""

    row: strawberry.Private[tables.Folder]
    name: str = strawberry.field(description="What it is called.")

    @classmethod
    def of(cls, row: tables.Folder) -> Self:
        """The row as the API shows it."""
        return cls(id=strawberry.ID(row.id), created_at=row.created_at, updated_at=row.updated_at, row=row, name=row.name)

    @field(columns=["ancestor_ids", "name"])
    async def path(self, ctx: QueryContext) -> str:
        """The names of the folders it lies in and its own, the outermost first, each after a slash."""
        names = [*(row.name for row in await _ancestors(ctx.db, self.row)), self.row.name]
        return "".join(f"/{name}" for name in names)

    @field(columns=["ancestor_ids"])
    async def ancestors(self, ctx: QueryContext) -> list[Annotated["Folder", strawberry.lazy("resolvers.folders")]]:
        """The folders it lies in, the outermost first; empty for one at the top."""
        return [Folder.of(row) for row in await _ancestors(ctx.db.shown, self.row)]

    @field(columns=["parent_id"])
    async def parent(self, ctx: QueryContext) -> Annotated["Folder", strawberry.lazy("resolvers.folders")] | None:
        """The folder it lies in; null for one at the top."""
        row = None if self.row.parent_id is None else await ctx.db.shown.get(tables.Folder, self.row.parent_id)
        return None if row is None else Folder.of(row)

    @field(columns=[])
    async def folders(
        self, ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[Annotated["Folder", strawberry.lazy("resolvers.folders")]]:
        """The folders in it, by name."""
        return await _page(ctx, self.row.id, first, after)

    @field(columns=[])
    async def files(
        self,
        ctx: QueryContext,
        first: First = DEFAULT_PAGE,
        after: After = None,
        search: Annotated[
            str | None,
            strawberry.argument(description="Only files whose names have words that begin with each of these words, as in `files`."),
        ] = None,
    ) -> Connection[AnyFile]:
        """The files in it that are READY and not in the bin, by name."""
        return Connection.of(await page_of_files(ctx.db.shown, (self.row.id,), search, first=first, after=after), node_of)


@strawberry.pydantic.input(description="A new folder.")
class CreateFolderInput(BaseModel):
    """A new folder."""

    name: Annotated[str, AfterValidator(folder_name)] = Field(description=NAME)
    parent_id: strawberry.ID | None = Field(default=None, description="The folder to put it into; without it, it lies at the top.")


FolderId = Annotated[strawberry.ID, strawberry.argument(description="The id of a folder.")]


@query
async def folders(
    ctx: QueryContext,
    parent_id: Annotated[
        strawberry.ID | None, strawberry.argument(description="The folder whose folders are listed; without it, those at the top are.")
    ] = None,
    first: First = DEFAULT_PAGE,
    after: After = None,
) -> Connection[Folder]:
    """The folders in one of your folders, or those at the top, by name."""
    return await _page(ctx, None if parent_id is None else id_of(tables.Folder, parent_id, "parentId"), first, after)


@query
async def folder(ctx: QueryContext, id: FolderId) -> Folder | None:
    """One of your folders; null where there is none with this id."""
    row = await ctx.db.shown.get(tables.Folder, id_of(tables.Folder, id, "id"))
    return None if row is None else Folder.of(row)


@mutation
async def create_folder(
    ctx: MutationContext, input: Annotated[CreateFolderInput, strawberry.argument(description="The new folder.")]
) -> Folder:
    """Makes a folder. CONFLICT where the name is taken there, or where it would be the 33rd in a line of folders in each other."""
    parent = None if input.parent_id is None else await _existing(ctx.db, input.parent_id, "input.parentId")
    ancestors = line_below(parent)
    check_depth(ancestors)
    row = tables.Folder(
        id=tables.Folder.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        account_id=ctx.scope.account_id,
        name=input.name,
        parent_id=None if parent is None else parent.id,
        ancestor_ids=ancestors,
    )
    return Folder.of(await ctx.db.insert(row))


@mutation
async def rename_folder(ctx: MutationContext, id: FolderId, name: Annotated[str, strawberry.argument(description=NAME)]) -> Folder:
    """Calls a folder something else. CONFLICT where the name is taken there."""
    called = text_argument(name, folder_name, "name")
    return Folder.of(await ctx.db.update(await _existing(ctx.db, id, "id"), name=called))


@mutation
async def move_folder(
    ctx: MutationContext,
    id: FolderId,
    parent_id: Annotated[
        strawberry.ID | None, strawberry.argument(description="The folder to move it into; null, or left out, moves it to the top.")
    ] = None,
) -> Folder:
    """Moves a folder with all that is in it.

    CONFLICT where it would come to lie in itself or 33 folders deep, where its name is taken there, and where more than 2,000 folders are
    in it.
    """
    row = await _existing(ctx.db, id, "id")
    return Folder.of(await hang(ctx.db, row, None if parent_id is None else await _existing(ctx.db, parent_id, "parentId")))


@mutation
async def delete_folder(
    ctx: MutationContext,
    id: FolderId,
    recursive: Annotated[
        bool, strawberry.argument(description="Whether what is in it goes too: folders for good, files to the bin.")
    ] = False,
) -> Folder:
    """Deletes a folder, and returns it as it was.

    Files that come to the bin by this are in no folder once they are restored. CONFLICT where something is in it and it is not to go
    recursively, where more than 500 folders or files are in it, and where one of these files is a receipt of an expense.
    """
    row = await _existing(ctx.db, id, "id")
    if not recursive and not await is_empty(ctx.db, row):
        raise ConflictError("This folder is not empty; say with recursive that what is in it goes too.")
    await clear_out(ctx, [row, *await folders_below(ctx.db, row, MOST_DELETED, "delete")])
    await ctx.db.delete(row)
    return Folder.of(row)


async def _page(ctx: QueryContext, parent_id: str | None, first: int, after: str | None) -> Connection[Folder]:
    page = await ctx.db.shown.page(tables.Folder, "by_parent", (parent_id,), first=first, after=after)
    return Connection.of(page, Folder.of)


async def _ancestors(db: Reader, row: tables.Folder) -> Sequence[tables.Folder]:
    """The folders that a folder lies in, the outermost first."""
    found = await asyncio.gather(*(db.get(tables.Folder, id) for id in row.ancestor_ids))
    return [ancestor for ancestor in found if ancestor is not None]


async def _existing(db: Writer, id: str, path: str) -> tables.Folder:
    return await db.get_existing(tables.Folder, id_of(tables.Folder, id, path), path)
