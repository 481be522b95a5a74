import asyncio
from typing import Any

import pytest

from datastore import schema as tables
from datastore.database import Database
from resolvers.folders import MOST_DELETED
from tests.gql.api import Api, Person
from tests.live.verify import verify_live
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.filing import CREATE, DELETE, FOLDER, MOVE, PLACED, RENAME, folder_of, make_folder, make_line, paths_of
from tests.resolvers.shop import problems

MISSING = "fld_01J0000000000000000000000A"
PAGED = "query ($after: String) { folders(first: 2, after: $after) { nodes { name } pageInfo { hasNextPage endCursor } } }"


async def test_a_folder_knows_where_it_lies_and_what_is_in_it(api: Api, owner: Person) -> None:
    ids = await make_line(api, owner, "AB")
    for name in ("Receipts", "éclairs"):
        await make_folder(api, owner, name, ids["B"])
    assert await folder_of(api, owner, ids["B"]) == {
        "name": "B",
        "path": "/A/B",
        "parent": {"name": "A"},
        "ancestors": [{"name": "A"}],
        "folders": {"nodes": [{"name": "éclairs"}, {"name": "Receipts"}]},
    }
    assert await paths_of(api, owner) == ["/A", "/A/B", "/A/B/éclairs", "/A/B/Receipts"]


async def test_folders_are_listed_by_name_and_by_pages(api: Api, owner: Person) -> None:
    for name in ("Öl", "zinc", "Oak", "apple"):
        await make_folder(api, owner, name)
    page = (await api.data(PAGED, caller=owner))["folders"]
    assert (page["nodes"], page["pageInfo"]["hasNextPage"]) == ([{"name": "apple"}, {"name": "Oak"}], True)
    rest = (await api.data(PAGED, {"after": page["pageInfo"]["endCursor"]}, caller=owner))["folders"]
    assert (rest["nodes"], rest["pageInfo"]["hasNextPage"]) == ([{"name": "Öl"}, {"name": "zinc"}], False)


async def test_a_name_is_taken_once_in_each_folder_accents_and_case_aside(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged
) -> None:
    top, other = await make_folder(api, owner, "Café"), await make_folder(api, owner, "Tea")
    inner = await make_folder(api, owner, "Café", top)
    async with nothing_written():
        for name, parent in ((" CAFE ", None), ("cafe\u0301", top)):
            assert await api.code(CREATE, {"input": {"name": name, "parentId": parent}}, caller=owner) == "CONFLICT"
        assert await api.code(RENAME, {"id": other, "name": "cafe"}, caller=owner) == "CONFLICT"
        assert await api.code(MOVE, {"id": inner, "to": None}, caller=owner) == "CONFLICT"
    await api.data(RENAME, {"id": top, "name": "CAFÉ"}, caller=owner)
    await make_folder(api, stranger, "Café")


async def test_of_two_with_one_name_at_once_one_is_a_conflict(api: Api, owner: Person) -> None:
    answers = await asyncio.gather(*(api.execute(CREATE, {"input": {"name": "Tea"}}, caller=owner) for _ in range(3)))
    assert sorted("errors" in answer for answer in answers) == [False, True, True]
    assert await paths_of(api, owner) == ["/Tea"]


NO_NAMES: list[Any] = ["", "  ", "a/b", ".", "..", "x" * 201, "\0", "a\nb", "\ufdfa" * 200, "\ud800", 5, None]


async def test_what_is_no_name_is_refused_by_its_argument(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    made = await make_folder(api, owner)
    async with nothing_written():
        for name in NO_NAMES:
            assert problems(await api.execute(CREATE, {"input": {"name": name}}, caller=owner)) == ["input.name"], name
            assert problems(await api.execute(RENAME, {"id": made, "name": name}, caller=owner)) == ["name"], name


@pytest.mark.parametrize(
    ("place", "code"), [("theirs", "NOT_FOUND"), (MISSING, "NOT_FOUND"), ("prd" + MISSING[3:], "INVALID_INPUT"), ("\0", "INVALID_INPUT")]
)
async def test_folders_of_others_are_no_places(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged, place: str, code: str
) -> None:
    mine, theirs = await make_folder(api, owner), await make_folder(api, stranger)
    place = theirs if place == "theirs" else place
    async with nothing_written():
        assert await api.code(CREATE, {"input": {"name": "A", "parentId": place}}, caller=owner) == code
        assert await api.code(MOVE, {"id": mine, "to": place}, caller=owner) == code
        assert await api.code(MOVE, {"id": place, "to": None}, caller=owner) == code
        assert await api.code(RENAME, {"id": place, "name": "A"}, caller=owner) == code
        assert await api.code(DELETE, {"id": place, "recursive": True}, caller=owner) == code
    if code == "NOT_FOUND":
        assert await folder_of(api, owner, place) is None
        assert await api.data(PLACED, {"parent": place}, caller=owner) == {"folders": {"nodes": []}}
    else:
        assert problems(await api.execute(FOLDER, {"id": place}, caller=owner)) == ["id"]
        assert problems(await api.execute(PLACED, {"parent": place}, caller=owner)) == ["parentId"]


async def test_a_folder_moves_with_all_that_is_in_it(api: Api, owner: Person) -> None:
    ids = await make_line(api, owner, "ABC")
    other = await make_folder(api, owner, "Z")
    assert (await api.data(MOVE, {"id": ids["B"], "to": other}, caller=owner))["moveFolder"]["path"] == "/Z/B"
    assert await paths_of(api, owner) == ["/A", "/Z", "/Z/B", "/Z/B/C"]
    await api.data(MOVE, {"id": ids["B"], "to": None}, caller=owner)
    assert await paths_of(api, owner) == ["/A", "/B", "/B/C", "/Z"]
    await api.data(MOVE, {"id": ids["B"], "to": None}, caller=owner)
    assert await paths_of(api, owner) == ["/A", "/B", "/B/C", "/Z"]


async def test_a_folder_cannot_be_moved_into_itself(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    ids = await make_line(api, owner, "ABC")
    async with nothing_written():
        for into in "ABC":
            assert await api.code(MOVE, {"id": ids["A"], "to": ids[into]}, caller=owner) == "CONFLICT"


async def test_an_empty_folder_is_deleted_and_a_full_one_only_when_that_is_said(
    api: Api, owner: Person, nothing_written: Unchanged, database: Database
) -> None:
    ids = await make_line(api, owner, "ABCD")
    async with nothing_written():
        assert await api.code(DELETE, {"id": ids["C"]}, caller=owner) == "CONFLICT"
    await api.data(DELETE, {"id": ids["D"]}, caller=owner)
    assert (await api.data(DELETE, {"id": ids["B"], "recursive": True}, caller=owner))["deleteFolder"] == {"id": ids["B"], "name": "B"}
    assert await paths_of(api, owner) == ["/A"]
    assert len((await contents(database))["folders"]) == 1
    assert await api.code(DELETE, {"id": ids["B"]}, caller=owner) == "NOT_FOUND"


async def test_a_folder_with_too_many_in_it_is_not_deleted_at_once(
    api: Api, owner: Person, database: Database, nothing_written: Unchanged
) -> None:
    top = await make_folder(api, owner)
    await make_folder(api, owner, "0", top)
    model = (await contents(database))["folders"][1]
    await database.command({"insert": "folders", "documents": [one_like(model, number) for number in range(1, MOST_DELETED + 1)]})
    async with nothing_written():
        response = await api.execute(DELETE, {"id": top, "recursive": True}, caller=owner)
    assert response["errors"][0]["message"] == "More than 500 folders are in this folder; delete parts of it first."


def one_like(model: dict[str, Any], number: int) -> dict[str, Any]:
    """Another document like a folder's."""
    return model | {"_id": tables.Folder.new_id(), "name": str(number), "name_key": str(number)}


@pytest.mark.parametrize("deleting_is_recursive", [False, True])
async def test_a_folder_that_gets_one_while_it_is_deleted_leaves_none_behind(
    api: Api, owner: Person, database: Database, deleting_is_recursive: bool
) -> None:
    for number in range(5):
        made = await make_folder(api, owner, str(number))
        deleted, created = await asyncio.gather(
            api.execute(DELETE, {"id": made, "recursive": deleting_is_recursive}, caller=owner),
            api.execute(CREATE, {"input": {"name": "A", "parentId": made}}, caller=owner),
        )
        assert "errors" in created or "errors" in deleted or deleting_is_recursive
        assert ("errors" in deleted) <= (not deleting_is_recursive)
    rows = {row["_id"]: row for row in (await contents(database))["folders"]}
    assert all(row["parent_id"] is None or row["parent_id"] in rows for row in rows.values())


async def test_folders_are_live_as_they_are_moved(api: Api, owner: Person) -> None:
    ids = await make_line(api, owner, "ABC")
    other = await make_folder(api, owner, "Z")

    async def move() -> None:
        await api.data(MOVE, {"id": ids["B"], "to": other}, caller=owner)

    selection = "{ folder(id: $id) { path parent { name } } folders { nodes { folders { nodes { path } } } } }"
    await verify_live(api, selection, move, caller=owner, variables="($id: ID!)", values={"id": ids["C"]})
