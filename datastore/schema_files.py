"""The tables of files and folders: part of the page in `datastore/schema.py`."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import computed_field

from datastore.folding import search_keys, sort_key
from datastore.rights import NOBODY, Rights
from datastore.tables import Index, OnDelete, OwnedRow, Reference, TableSpec, TallyRow

FileStatus = Literal["PENDING", "VERIFYING", "READY", "REFUSED", "LOST"]
Shelf = Literal["NEW", "SHOWN", "BIN"]


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


class File(OwnedRow):
    """A file whose bytes are in the S3 store, or on their way there. Each row takes its size of the quota until it is deleted."""

    spec: ClassVar = TableSpec(
        "files",
        "fil",
        "file",
        indexes=(
            Index("by_name", ("shelf", "name_key")),
            Index("by_folder", ("folder_id", "shelf", "name_key")),
            Index("by_search", ("search_keys", "shelf", "name_key")),
            Index("by_folder_search", ("folder_id", "search_keys", "shelf", "name_key")),
            Index("by_deleted", ("shelf", "deleted_at")),
            Index("by_lapse", ("lapses_at",)),
            Index("by_account", ()),
            Index("by_origin", ("origin",), unique=True),
        ),
        references=(Reference("folder_id", "folders", OnDelete.CLEAR),),
        rights=Rights(),
    )

    name: str
    content_type: str
    """A media type without parameters; that of a file that is READY was found in its bytes."""
    size_bytes: int
    sha256: str | None
    """Hexadecimal: what it must be, or, of a file that is READY, what it is."""
    status: FileStatus
    problem: str | None
    """Why it was refused, for people to read."""
    folder_id: str | None
    uploaded_by_id: str
    blob: str | None
    """The last part of the key of its bytes (`resolvers/storage.py`); null until they are where nobody else can write."""
    upload_id: str | None
    """Of its upload in parts."""
    lapses_at: datetime | None
    """When the row goes unless it has become READY by then."""
    deleted_at: datetime | None
    """When it was put into the bin."""
    origin: str | None
    """Which action made it, under which name: the same one makes it once."""
    thumbnail_problem: str | None = None
    """Why there are no thumbnails of a picture, for people to read."""
    private: bool = False
    """Whether its bytes are for who had it made alone."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def shelf(self) -> Shelf:
        """Where people find it."""
        if self.status not in {"READY", "LOST"}:
            return "NEW"
        return "SHOWN" if self.deleted_at is None else "BIN"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def name_key(self) -> str:
        """The name as lists are ordered by it."""
        return sort_key(self.name)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def search_keys(self) -> list[str]:
        """What it is found by."""
        return search_keys(self.name)


class Thumbnail(OwnedRow):
    """A small picture of a file that is a picture. It goes with its file; what it takes is not counted in the quota."""

    spec: ClassVar = TableSpec(
        "thumbnails",
        "thm",
        "thumbnail",
        indexes=(Index("by_file", ("file_id", "width")), Index("by_size", ("file_id", "size"), unique=True)),
        references=(Reference("file_id", "files", OnDelete.CASCADE),),
        followed=False,
    )

    file_id: str
    size: Literal["SMALL", "LARGE"]
    width: int
    height: int
    """Both in pixels."""


class ExpenseReceipt(OwnedRow):
    """A file that is a receipt of an expense. It cannot be deleted as long as it is that."""

    spec: ClassVar = TableSpec(
        "expense_receipts",
        "xrc",
        "receipt of an expense",
        indexes=(
            Index("by_expense", ("expense_id", "position")),
            Index("by_file", ("file_id", "expense_id")),
        ),
        references=(Reference("expense_id", "expenses", OnDelete.CASCADE), Reference("file_id", "files", OnDelete.RESTRICT)),
        followed=False,
    )

    expense_id: str
    file_id: str
    position: int
    """Its place among the receipts of its expense, from 0 on."""


class StorageUsage(TallyRow):
    """What the files of an account take; one row an account. Kept by `resolvers/file_rows.py` alone."""

    spec: ClassVar = TableSpec(
        "storage_usages", "stu", "storage usage", indexes=(Index("by_key", (), unique=True),), followed=False, rights=Rights(delete=NOBODY)
    )

    files: int
    bytes: int
    """Of all its files: those in the bin and those under way take theirs, too."""


class DoomedBytes(OwnedRow):
    """Bytes in the S3 store that nobody needs any more: written with what makes them so, deleted once the store has deleted them."""

    spec: ClassVar = TableSpec(
        "doomed_bytes", "dmb", "doomed bytes", indexes=(Index("by_created", ("created_at",)),), followed=False, rights=Rights(change=NOBODY)
    )

    prefix: str
    """What the keys begin with."""
