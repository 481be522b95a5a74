"""Files."""

from tests.live.cases import Stall, case
from tests.live.cases_sales import rename_oneself
from tests.resolvers.filing import RENAME as RENAME_FOLDER
from tests.resolvers.filing import make_folder
from tests.resolvers.uploading import COMPLETE, DELETE, create, send, store

RENAME = "mutation ($id: ID!, $name: String!) { renameFile(id: $id, name: $name) { id } }"
MOVE = "mutation ($id: ID!, $to: ID) { moveFile(id: $id, folderId: $to) { id } }"
RESTORE = "mutation ($id: ID!) { restoreFile(id: $id) { id } }"


async def store_files(stall: Stall) -> None:
    """In folder F lie a and c, in none b and d, of which d is in the bin; n has been sent."""
    stall.ids["F"] = await make_folder(stall.api, stall.owner, "F")
    for name, folder in (("a", stall.ids["F"]), ("b", None), ("c", stall.ids["F"]), ("d", None)):
        stall.ids[f"file_{name}"] = (await store(stall.api, stall.owner, name.encode(), name, folderId=folder))["id"]
    await delete_d(stall)
    upload = await create(stall.api, stall.owner, b"n", "n")
    await send(upload, b"n")
    stall.ids["file_n"] = upload["file"]["id"]


async def delete_d(stall: Stall) -> None:
    await stall.do(DELETE, id=stall.ids["file_d"])


async def delete_a(stall: Stall) -> None:
    await stall.do(DELETE, id=stall.ids["file_a"])


async def restore_d(stall: Stall) -> None:
    await stall.do(RESTORE, id=stall.ids["file_d"])


async def rename_a(stall: Stall) -> None:
    await stall.do(RENAME, id=stall.ids["file_a"], name="x")


async def move_b(stall: Stall) -> None:
    await stall.do(MOVE, id=stall.ids["file_b"], to=stall.ids["F"])


async def complete_n(stall: Stall) -> None:
    await stall.do(COMPLETE, id=stall.ids["file_n"])


async def begin_another(stall: Stall) -> None:
    await create(stall.api, stall.owner, b"another")


async def rename_the_folder(stall: Stall) -> None:
    await stall.do(RENAME_FOLDER, id=stall.ids["F"], name="G")


NAMES = "{ nodes { name } pageInfo { hasNextPage } }"

CASES = [
    case("Query.files", f"files(first: 3) {NAMES}", complete_n, store_files),
    case("Query.files", f"files(first: 1) {NAMES}", rename_a, store_files),
    case("Query.files", f"files(folderId: <F>) {NAMES}", move_b, store_files),
    case("Query.files", f"files(folderId: null) {NAMES}", restore_d, store_files),
    case("Query.files", f'files(search: "x") {NAMES}', rename_a, store_files),
    case("Query.files", f'files(folderId: <F>, search: "b") {NAMES}', move_b, store_files),
    case("Query.binnedFiles", f"binnedFiles {NAMES}", delete_a, store_files),
    case("Query.binnedFiles", f"binnedFiles(first: 1) {NAMES}", restore_d, store_files),
    case("Query.file", "file(id: <file_n>) { status sha256 }", complete_n, store_files),
    case("Query.file File.downloadUrl", "file(id: <file_n>) { downloadUrl }", complete_n, store_files),
    case("Query.file File.downloadUrl", "file(id: <file_a>) { downloadUrl(expiresIn: 86400, inline: true) }", rename_a, store_files),
    case("Query.files File.folder", "files { nodes { folder { name } } }", rename_the_folder, store_files),
    case("Query.folder Folder.files", f"folder(id: <F>) {{ files {NAMES} }}", move_b, store_files),
    case("Query.file File.uploadedBy", "file(id: <file_a>) { uploadedBy { name } }", rename_oneself, store_files),
    case("Query.storageUsage", "storageUsage { used files }", begin_another, store_files),
]
