"""Files that other rows show: pictures of products and people, logos, receipts.

Such a row names its file by id. A file in the bin is not shown meanwhile, and is again once it is restored; when it goes for good, the rows
forget it. A receipt of an expense is different: it belongs to the books, and stays as long as the expense names it
(`resolvers/expense_receipts.py`).
"""

from typing import TYPE_CHECKING, Annotated, Final, cast

import strawberry

from datastore import schema as tables
from datastore.reading import Reader
from datastore.writing import Writer
from resolvers.nodes import node_of
from resolvers.pictures import FORMATS
from resolvers.stored_files import usable_file

if TYPE_CHECKING:
    from resolvers.files import File

AnyFile = Annotated["File", strawberry.lazy("resolvers.files")]
"""The GraphQL type of files, for modules that the one of files needs."""

PICTURES: Final = tuple(FORMATS)


async def shown_file(db: Reader, file_id: str | None) -> "File | None":
    """The file as the API shows it, to whoever sees the row that names it; None where there is none, or it is in the bin."""
    row = None if file_id is None else await db.for_business.get(tables.File, file_id)
    return cast("File", node_of(row)) if row is not None and row.shelf == "SHOWN" else None


async def usable_picture(db: Writer, file_id: str | None, path: str) -> str | None:
    """The id of a picture for a row to refer to: a JPEG, PNG, WebP or GIF file. Raises as `usable_file`, naming `path`."""
    return None if file_id is None else (await usable_file(db, file_id, path, PICTURES)).id
