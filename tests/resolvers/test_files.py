from typing import Any

import pytest

from datastore.database import Database
from tests.gql.api import Api, Person
from tests.resolvers.filing import make_folder
from tests.resolvers.shop import problems
from tests.resolvers.uploading import COMPLETE, DELETE, FILE, NAMES, READ, USAGE, create, fetch, link, store

RENAME = f"mutation ($id: ID!, $name: String!) {{ renameFile(id: $id, name: $name) {{ {FILE} }} }}"
MOVE = f"mutation ($id: ID!, $to: ID) {{ moveFile(id: $id, folderId: $to) {{ {FILE} folder {{ name }} }} }}"
RESTORE = f"mutation ($id: ID!) {{ restoreFile(id: $id) {{ {FILE} folder {{ name }} }} }}"
BIN = "{ binnedFiles { nodes { name } } }"


async def listed(api: Api, person: Person, **variables: Any) -> list[str]:
    """The names of files in a list."""
    data = await api.data(NAMES, variables, caller=person)
    return [node["name"] for node in data["files"]["nodes"]]


async def binned(api: Api, person: Person) -> list[str]:
    """The names of the files in the bin."""
    return [node["name"] for node in (await api.data(BIN, caller=person))["binnedFiles"]["nodes"]]


async def test_files_are_listed_by_name_by_folder_and_by_word(api: Api, owner: Person) -> None:
    folder = await make_folder(api, owner, "Invoices")
    await store(api, owner, b"1", "b Zebra.txt")
    await store(api, owner, b"2", "A zébu.txt", folderId=folder)
    await store(api, owner, b"3", "A zébu.txt")
    assert await listed(api, owner) == ["A zébu.txt", "A zébu.txt", "b Zebra.txt"]
    assert await listed(api, owner, folderId=folder) == ["A zébu.txt"]
    assert await listed(api, owner, folderId=None) == ["A zébu.txt", "b Zebra.txt"]
    assert await listed(api, owner, search="ze TXT") == ["A zébu.txt", "A zébu.txt", "b Zebra.txt"]
    assert await listed(api, owner, search="zebu", folderId=None) == ["A zébu.txt"]
    assert problems(await api.execute(NAMES, {"folderId": owner.user_id}, caller=owner)) == ["folderId"]


async def test_a_file_is_renamed_and_moved(api: Api, owner: Person) -> None:
    file = await store(api, owner)
    renamed = (await api.data(RENAME, {"id": file["id"], "name": " Neu.txt "}, caller=owner))["renameFile"]
    assert renamed == file | {"name": "Neu.txt"}
    answer = await fetch(await link(api, owner, file["id"]))
    assert 'filename="Neu.txt"' in answer.headers["content-disposition"]
    folder = await make_folder(api, owner, "Invoices")
    assert (await api.data(MOVE, {"id": file["id"], "to": folder}, caller=owner))["moveFile"]["folder"] == {"name": "Invoices"}
    assert (await api.data(MOVE, {"id": file["id"]}, caller=owner))["moveFile"]["folder"] is None
    for name in ("", "a/b", "a\u202eb", "x" * 201):
        assert problems(await api.execute(RENAME, {"id": file["id"], "name": name}, caller=owner)) == ["name"]


async def test_a_deleted_file_waits_in_the_bin_and_takes_its_size_until_it_is_restored(api: Api, owner: Person) -> None:
    file = await store(api, owner, b"Hello")
    deleted = (await api.data(DELETE, {"id": file["id"]}, caller=owner))["deleteFile"]
    assert deleted["deletedAt"] is not None
    assert (await api.data(DELETE, {"id": file["id"]}, caller=owner))["deleteFile"] == deleted
    assert (await listed(api, owner), await binned(api, owner)) == ([], ["note.txt"])
    usage = (await api.data(USAGE, caller=owner))["storageUsage"]
    assert usage == {"used": 5, "quota": 10 << 30, "files": 1}
    await api.data(RESTORE, {"id": file["id"]}, caller=owner)
    assert (await listed(api, owner), await binned(api, owner)) == (["note.txt"], [])


async def test_an_upload_that_is_given_up_takes_nothing_any_more(api: Api, owner: Person) -> None:
    upload = await create(api, owner, b"x")
    given_up = (await api.data(DELETE, {"id": upload["file"]["id"]}, caller=owner))["deleteFile"]
    assert given_up == upload["file"]
    assert (await api.data(USAGE, caller=owner))["storageUsage"]["files"] == 0
    assert await api.code(COMPLETE, {"id": upload["file"]["id"]}, caller=owner) == "NOT_FOUND"


async def test_a_link_stays_the_same_for_half_of_its_time(api: Api, owner: Person) -> None:
    file = await store(api, owner)
    links = {await link(api, owner, file["id"], "(expiresIn: 604800)") for _ in range(3)}
    assert len(links) == 1
    assert "X-Amz-Expires=604800" in links.pop()
    for seconds in (0, -1, 604_801, 2**31 - 1):
        document = f"query ($id: ID!) {{ file(id: $id) {{ downloadUrl(expiresIn: {seconds}) }} }}"
        assert problems(await api.execute(document, {"id": file["id"]}, caller=owner)) == ["expiresIn"]


async def test_files_are_seen_and_changed_in_their_own_business_alone(api: Api, owner: Person, stranger: Person) -> None:
    file = await store(api, owner)
    assert (await api.data(READ, {"id": file["id"]}, caller=stranger))["file"] is None
    assert await listed(api, stranger) == []
    for document in (RENAME, MOVE, DELETE, RESTORE):
        assert await api.code(document, {"id": file["id"], "name": "x"}, caller=stranger) == "NOT_FOUND"
        assert await api.code(document, {"id": owner.user_id, "name": "x"}, caller=owner) == "INVALID_INPUT"
    theirs = await make_folder(api, stranger, "Theirs")
    assert await api.code(MOVE, {"id": file["id"], "to": theirs}, caller=owner) == "NOT_FOUND"


async def test_staff_deal_with_no_files(api: Api, owner: Person, database: Database) -> None:
    file = await store(api, owner)
    update = {"q": {"user_id": owner.user_id}, "u": {"$set": {"role": "STAFF"}}}
    await database.command({"update": "sessions", "updates": [update]})
    assert await api.code(READ, {"id": file["id"]}, caller=owner) == "FORBIDDEN"
    assert (await api.data("query ($id: ID!) { node(id: $id) { id } }", {"id": file["id"]}, caller=owner))["node"] is None
    for document in (NAMES, BIN, USAGE, RENAME, MOVE, DELETE, RESTORE):
        assert await api.code(document, {"id": file["id"], "name": "x"}, caller=owner) == "FORBIDDEN", document


@pytest.mark.parametrize("field", ["uploadedBy { name }", "folder { name }"])
async def test_a_file_says_where_it_lies_and_who_sent_it(api: Api, owner: Person, field: str) -> None:
    folder = await make_folder(api, owner, "Ada Lovelace")
    file = await store(api, owner, folderId=folder)
    data = await api.data(f"query ($id: ID!) {{ file(id: $id) {{ found: {field} }} }}", {"id": file["id"]}, caller=owner)
    assert data["file"]["found"] == {"name": "Ada Lovelace"}


FOLDER = "query ($id: ID!) { folder(id: $id) { files { nodes { name } } } }"
DELETE_FOLDER = "mutation ($id: ID!, $all: Boolean!) { deleteFolder(id: $id, recursive: $all) { id } }"


async def test_a_folder_goes_with_its_files_only_where_that_is_said_and_they_go_to_the_bin(api: Api, owner: Person) -> None:
    outer = await make_folder(api, owner, "Outer")
    inner = await make_folder(api, owner, "Inner", outer)
    file = await store(api, owner, b"1", "a.txt", folderId=inner)
    await create(api, owner, b"2", "under way.txt", folderId=inner)
    assert (await api.data(FOLDER, {"id": inner}, caller=owner))["folder"]["files"]["nodes"] == [{"name": "a.txt"}]
    assert await api.code(DELETE_FOLDER, {"id": inner, "all": False}, caller=owner) == "CONFLICT"
    await api.data(DELETE_FOLDER, {"id": outer, "all": True}, caller=owner)
    assert (await listed(api, owner), await binned(api, owner)) == ([], ["a.txt"])
    assert (await api.data(RESTORE, {"id": file["id"]}, caller=owner))["restoreFile"]["folder"] is None
    assert await listed(api, owner, folderId=None) == ["a.txt"]


async def test_a_folder_whose_files_are_all_in_the_bin_is_empty(api: Api, owner: Person) -> None:
    folder = await make_folder(api, owner, "F")
    file = await store(api, owner, folderId=folder)
    await api.data(DELETE, {"id": file["id"]}, caller=owner)
    await api.data(DELETE_FOLDER, {"id": folder, "all": False}, caller=owner)
    assert (await api.data(RESTORE, {"id": file["id"]}, caller=owner))["restoreFile"]["folder"] is None


@pytest.mark.slow
async def test_a_link_that_is_watched_is_replaced_before_it_expires(api: Api, owner: Person) -> None:
    file = await store(api, owner)
    document = "subscription ($id: ID!) { live { file(id: $id) { downloadUrl(expiresIn: 2) } } }"
    async with api.watch(document, {"id": file["id"]}, caller=owner) as watching:
        await watching.count(3)
        url = watching.last["data"]["live"]["file"]["downloadUrl"]
        assert (await fetch(url)).content == b"Hello"
    assert len({result["data"]["live"]["file"]["downloadUrl"] for result in watching.results}) == len(watching.results)
