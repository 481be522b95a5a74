"""Folders."""

from tests.live.cases import Stall, case
from tests.resolvers.filing import DELETE, MOVE, RENAME, make_folder, make_line


async def file_away(stall: Stall) -> None:
    """A has B, B has C; beside A lies Z, and M is the first of them on a page."""
    stall.ids |= await make_line(stall.api, stall.owner, "ABC")
    stall.ids["Z"] = await make_folder(stall.api, stall.owner, "Z")
    data = await stall.api.data("{ folders(first: 1) { pageInfo { endCursor } } }", caller=stall.owner)
    stall.cursors["first_folder"] = data["folders"]["pageInfo"]["endCursor"]


async def add_one_at_the_top(stall: Stall) -> None:
    await make_folder(stall.api, stall.owner, "M")


async def add_one_in_b(stall: Stall) -> None:
    await make_folder(stall.api, stall.owner, "M", stall.ids["B"])


async def rename_a(stall: Stall) -> None:
    await stall.do(RENAME, id=stall.ids["A"], name="Y")


async def rename_c(stall: Stall) -> None:
    await stall.do(RENAME, id=stall.ids["C"], name="Y")


async def move_b(stall: Stall) -> None:
    await stall.do(MOVE, id=stall.ids["B"], to=stall.ids["Z"])


async def move_c_to_the_top(stall: Stall) -> None:
    await stall.do(MOVE, id=stall.ids["C"], to=None)


async def delete_b(stall: Stall) -> None:
    await stall.do(DELETE, id=stall.ids["B"], recursive=True)


NAMES = "{ nodes { name } pageInfo { hasNextPage } }"

CASES = [
    case("Query.folders", f"folders {NAMES}", add_one_at_the_top),
    case("Query.folders", f"folders(first: 1) {NAMES}", rename_a, file_away),
    case("Query.folders", f"folders(after: <<first_folder>>) {NAMES}", move_c_to_the_top, file_away),
    case("Query.folders", f"folders(parentId: <A>) {NAMES}", move_b, file_away),
    case("Query.folders", f"folders(parentId: <B>) {NAMES}", delete_b, file_away),
    case("Query.folder", "folder(id: <C>) { name updatedAt }", rename_c, file_away),
    case("Query.folder", "folder(id: <C>) { name }", delete_b, file_away),
    case("Query.folder Folder.path", "folder(id: <C>) { path }", rename_a, file_away),
    case("Query.folder Folder.path", "folder(id: <C>) { path }", move_b, file_away),
    case("Query.folder Folder.ancestors", "folder(id: <C>) { ancestors { name } }", rename_a, file_away),
    case("Query.folder Folder.ancestors Folder.path", "folder(id: <C>) { ancestors { path } }", move_b, file_away),
    case("Query.folder Folder.parent", "folder(id: <B>) { parent { name } }", rename_a, file_away),
    case("Query.folder Folder.parent", "folder(id: <C>) { parent { name } }", move_c_to_the_top, file_away),
    case("Query.folders Folder.folders", f"folders {{ nodes {{ folders {NAMES} }} }}", move_b, file_away),
    case("Query.folder Folder.folders", f"folder(id: <B>) {{ folders(first: 1) {NAMES} }}", add_one_in_b, file_away),
]
