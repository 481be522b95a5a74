"""Folders make a tree: a part of `tillstream verify`."""

from datastore import schema as tables
from resolvers.folder_tree import DEEPEST
from resolvers.verify_rows import Books, Record, chunked

FOLDER = ("account_id", "parent_id", "ancestor_ids")


async def check_folders(books: Books) -> None:
    """Every folder's ancestors are those of its parent and the parent itself.

    A ring is found by that as well: along it the ancestors would become more and more, and yet be those that it began with.
    """
    async for rows in chunked(books.rows(tables.Folder, "by_parent", FOLDER)):
        parents = await books.by_id(tables.Folder, {row.parent_id for row in rows} - {None}, ("ancestor_ids",))
        for row in rows:
            _check(books, row, parents.get(row.parent_id))


def _check(books: Books, row: Record, parent: Record | None) -> None:
    if parent is None and row.parent_id is not None:
        return  # that it is not there is a finding about references
    line = [] if parent is None else [*parent.ancestor_ids, parent.id]
    books.findings.differ(f"folder {row.id}", "ancestor_ids", row.ancestor_ids, line, "those of its parent make")
    if len(row.ancestor_ids) >= DEEPEST:
        books.findings.add(f"folder {row.id}: it lies in {len(row.ancestor_ids)} folders, and {DEEPEST - 1} is the most")
