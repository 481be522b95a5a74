"""Lists of the files that are READY and not in the bin."""

from datastore import schema as tables
from datastore.reading import Page, Reader
from resolvers.searching import search_terms


async def page_of_files(
    db: Reader, folder: tuple[str | None, ...] = (), search: str | None = None, *, first: int, after: str | None
) -> Page[tables.File]:
    """Files by name: those of one folder (or of none) where `folder` holds it, all where it is empty.

    Raises InvalidInputError for what cannot be searched for, a `first` out of range, and a cursor of another list.
    """
    if search is None:
        return await db.page(tables.File, "by_folder" if folder else "by_name", (*folder, "SHOWN"), first=first, after=after)
    terms, index = search_terms(search), "by_folder_search" if folder else "by_search"
    return await db.page(tables.File, index, (*folder, terms.key, "SHOWN"), also=terms.also, first=first, after=after)
