"""The tables of files and folders: part of the page in `datastore/schema.py`."""

from typing import ClassVar

from pydantic import computed_field

from datastore.folding import sort_key
from datastore.tables import Index, OnDelete, OwnedRow, Reference, TableSpec


class Folder(OwnedRow):
    """A place for files and for other folders.

    It names its whole line of ancestors, not its parent alone: what lies below a folder, however deep, is then one range of an index, and
    whoever moves a folder writes all that lies below it (`resolvers/folder_tree.py` says why that matters).
    """

    spec: ClassVar = TableSpec(
        "folders",
        "fld",
        "folder",
        indexes=(
            Index("by_parent", ("parent_id", "name_key")),
            Index("by_name", ("parent_key", "name_key"), unique=True),
            Index("by_ancestor", ("ancestor_ids",)),
        ),
        references=(Reference("parent_id", "folders", OnDelete.CASCADE),),
    )

    name: str
    parent_id: str | None
    """Null at the top."""
    ancestor_ids: list[str]
    """The outermost first, the parent last; empty at the top."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def name_key(self) -> str:
        """The name as uniqueness sees it."""
        return sort_key(self.name)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def parent_key(self) -> str:
        """The parent as uniqueness sees it, which knows no null: names at the top are unique too."""
        return self.parent_id or ""
