"""Files in folders that are deleted."""

import asyncio

import pytest

from datastore import schema as tables
from datastore.database import Database
from resolvers.folder_contents import MOST_FILES
from tests.gql.api import Api, Person
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.filing import DELETE, make_line
from tests.resolvers.uploading import DELETE as DELETE_FILE
from tests.resolvers.uploading import complete, create, send, store

IN_FOLDER = "query ($id: ID!, $search: String) { folder(id: $id) { files(search: $search) { nodes { name folder { path } } } } }"
BIN = "{ binnedFiles { nodes { name folder { name } } } }"


async def test_a_folder_shows_the_files_in_it(api: Api, owner: Person) -> None:
    ids = await make_line(api, owner, "AB")
    for name, folder in (("tea.txt", "A"), ("bread.txt", "A"), ("cake.txt", "B")):
        await store(api, owner, b"Hello", name, folderId=ids[folder])
    files = (await api.data(IN_FOLDER, {"id": ids["A"]}, caller=owner))["folder"]["files"]["nodes"]
    assert files == [{"name": "bread.txt", "folder": {"path": "/A"}}, {"name": "tea.txt", "folder": {"path": "/A"}}]
    found = await api.data(IN_FOLDER, {"id": ids["A"], "search": "te"}, caller=owner)
    assert [file["name"] for file in found["folder"]["files"]["nodes"]] == ["tea.txt"]


async def test_files_of_deleted_folders_are_in_the_bin_and_come_back_without_a_folder(
    api: Api, owner: Person, nothing_written: Unchanged
) -> None:
    ids = await make_line(api, owner, "ABC")
    made = [await store(api, owner, b"Hello", name, folderId=ids[name]) for name in "ABC"]
    await api.data(DELETE_FILE, {"id": made[0]["id"]}, caller=owner)
    async with nothing_written():
        assert await api.code(DELETE, {"id": ids["C"]}, caller=owner) == "CONFLICT"
    await api.data(DELETE, {"id": ids["A"], "recursive": True}, caller=owner)
    nodes = (await api.data(BIN, caller=owner))["binnedFiles"]["nodes"]
    assert sorted(node["name"] for node in nodes) == ["A", "B", "C"]
    assert {node["folder"] and node["folder"]["name"] for node in nodes} == {None}


async def test_a_folder_of_which_all_files_are_in_the_bin_is_empty(api: Api, owner: Person) -> None:
    [(_, folder)] = (await make_line(api, owner, "A")).items()
    file = await store(api, owner, folderId=folder)
    await api.data(DELETE_FILE, {"id": file["id"]}, caller=owner)
    await api.data(DELETE, {"id": folder}, caller=owner)
    assert len((await api.data(BIN, caller=owner))["binnedFiles"]["nodes"]) == 1


async def test_an_upload_goes_on_whose_folder_is_deleted(api: Api, owner: Person) -> None:
    [(_, folder)] = (await make_line(api, owner, "A")).items()
    upload = await create(api, owner, b"Hello", folderId=folder)
    await send(upload, b"Hello")
    assert await api.code(DELETE, {"id": folder}, caller=owner) == "CONFLICT"
    await api.data(DELETE, {"id": folder, "recursive": True}, caller=owner)
    assert (await complete(api, owner, upload))["status"] == "READY"


@pytest.mark.parametrize("recursive", [False, True])
async def test_a_file_that_comes_while_its_folder_goes_is_in_no_folder_that_is_gone(
    api: Api, owner: Person, database: Database, recursive: bool
) -> None:
    for name in "ABCD":
        [(_, folder)] = (await make_line(api, owner, name)).items()
        wanted = {"input": {"name": "x", "contentType": "text/plain", "size": 1, "folderId": folder}}
        document = "mutation ($input: CreateUploadInput!) { createUpload(input: $input) { file { id } } }"
        await asyncio.gather(
            api.execute(document, wanted, caller=owner), api.execute(DELETE, {"id": folder, "recursive": recursive}, caller=owner)
        )
    stored = await contents(database)
    folders = {row["_id"] for row in stored["folders"]}
    assert {row["folder_id"] for row in stored["files"]} <= folders | {None}


@pytest.mark.slow
@pytest.mark.parametrize("too_many", [False, True])
async def test_as_many_files_as_one_transaction_takes_go_with_their_folder(
    api: Api, owner: Person, database: Database, too_many: bool
) -> None:
    [(_, folder)] = (await make_line(api, owner, "A")).items()
    await store(api, owner, folderId=folder)
    [model] = (await contents(database))["files"]
    copies = [model | {"_id": tables.File.new_id()} for _ in range(MOST_FILES - 1 + too_many)]
    await database.command({"insert": "files", "documents": copies})
    answer = await api.execute(DELETE, {"id": folder, "recursive": True}, caller=owner)
    assert ("errors" in answer) == too_many
    assert {row["shelf"] for row in (await contents(database))["files"]} == {"SHOWN" if too_many else "BIN"}
