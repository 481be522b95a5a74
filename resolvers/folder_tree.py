"""The tree of folders: how deep it is, what lies below what, and how it stays a tree when folders are moved at the same moment.

Transactions are snapshot isolated, so two of them may each be right by what they read and wrong together (write skew): A goes into a folder
below B while B goes into one below A, and both hang in the air. MongoDB makes two transactions collide only where they write one row. Here
they do. Every row names all of its ancestors, so moving a folder writes each folder below it, and each change that rests on a folder's line
of ancestors (a move into it, a new folder in it) guards that one folder, which collides with a write to it. In a ring of moves, each target
lies in the part of the tree that the next one moves and thus writes: each collides with the next, so they are never all committed on the
snapshots that they were judged by. The one that comes later is run again, reads what the other left, and is refused. The same holds for the
depth, and for a folder that gets something while it is moved or deleted. What it costs is that a move writes as many rows as lie below.
"""

from collections.abc import Sequence
from typing import Final

from datastore import schema as tables
from datastore.errors import ConflictError
from datastore.writing import Writer

DEEPEST: Final = 32
"""Folders in each other, the one at the top included."""

MOST_MOVED: Final = 2000
"""Folders below one that is moved: one transaction has to end within seconds."""

_BATCH: Final = 1000


def line_below(parent: tables.Folder | None) -> list[str]:
    """The ancestors of what is put into a folder (None: at the top)."""
    return [] if parent is None else [*parent.ancestor_ids, parent.id]


def check_depth(ancestors: Sequence[str], levels: int = 1) -> None:
    """Raises ConflictError where so many levels of folders do not fit below these ancestors."""
    if len(ancestors) + levels > DEEPEST:
        raise ConflictError(f"Folders can be {DEEPEST} deep in each other at most.")


async def folders_below(db: Writer, folder: tables.Folder, most: int, doing: str) -> list[tables.Folder]:
    """All folders in a folder, however deep. Raises ConflictError where there are more than `most`, saying what that stops."""
    found: list[tables.Folder] = []
    while True:
        rows = await db.scan(tables.Folder, "by_ancestor", (folder.id,), first=_BATCH, after=found[-1] if found else None)
        found += rows
        if len(found) > most:
            raise ConflictError(f"More than {most:,} folders are in this folder; {doing} parts of it first.")
        if len(rows) < _BATCH:
            return found


async def hang(db: Writer, folder: tables.Folder, parent: tables.Folder | None) -> tables.Folder:
    """Moves a folder, with all that is in it, into another or to the top; its row as it is then.

    Raises ConflictError where it would lie in itself, too deep, or beside one of its name, and where too many folders are in it.
    """
    ancestors = line_below(parent)
    if folder.id in ancestors:
        raise ConflictError("A folder cannot be moved into itself, or into a folder that is in it.")
    below = await folders_below(db, folder, MOST_MOVED, "move")
    own = len(folder.ancestor_ids)
    check_depth(ancestors, 1 + max((len(row.ancestor_ids) - own for row in below), default=0))
    moved = await db.update(folder, parent_id=None if parent is None else parent.id, ancestor_ids=ancestors)
    await db.update_all([(row, {"ancestor_ids": [*ancestors, *row.ancestor_ids[own:]]}) for row in below])
    return moved
