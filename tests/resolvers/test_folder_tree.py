"""The tree stays a tree, whatever is moved at the same moment."""

import asyncio
import random
from itertools import count
from typing import Any

import pytest

from datastore import schema as tables
from datastore.database import Database
from resolvers.folder_tree import DEEPEST, MOST_MOVED
from tests.gql.api import Api, Person
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.filing import CREATE, MOVE, make_folder, make_line, paths_of

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"


async def assert_a_tree(database: Database) -> int:
    """Every folder names its line of ancestors as its parents make it, which ends at the top; how deep the deepest lies."""
    rows = {row["_id"]: row for row in (await contents(database))["folders"]}
    for id in rows:
        line: list[str] = []
        above = rows[id]["parent_id"]
        while above is not None:
            assert above not in line, "a ring"
            line.insert(0, above)
            above = rows[above]["parent_id"]
        assert rows[id]["ancestor_ids"] == line
    return max(len(row["ancestor_ids"]) + 1 for row in rows.values())


async def test_of_two_folders_moved_into_each_other_at_once_one_is(api: Api, owner: Person, database: Database) -> None:
    for number in range(10):
        left, right = [await make_line(api, owner, "ABC", await make_folder(api, owner, f"{side}{number}")) for side in ("L", "R")]
        moves = ((left["A"], right["C"]), (right["A"], left["C"]))
        answers = await asyncio.gather(*(api.execute(MOVE, {"id": id, "to": to}, caller=owner) for id, to in moves))
        assert sorted("errors" in answer for answer in answers) == [False, True], answers
        [refused] = [answer["errors"][0] for answer in answers if "errors" in answer]
        assert refused["extensions"]["code"] == "CONFLICT"
        assert "into itself" in refused["message"]
    await assert_a_tree(database)


async def test_a_ring_of_many_moves_at_once_is_never_closed(api: Api, owner: Person, database: Database) -> None:
    lines = [await make_line(api, owner, "AB", await make_folder(api, owner, str(number))) for number in range(6)]
    moves = [(line["A"], lines[(number + 1) % len(lines)]["B"]) for number, line in enumerate(lines)]
    answers = await asyncio.gather(*(api.execute(MOVE, {"id": id, "to": to}, caller=owner) for id, to in moves))
    assert sum("errors" in answer for answer in answers) == 1, answers
    await assert_a_tree(database)


async def test_moves_at_random_leave_a_tree_in_which_every_folder_is_found(api: Api, owner: Person, database: Database) -> None:
    chance = random.Random(7)
    ids = list((await make_line(api, owner, "ABCD")).values()) + [await make_folder(api, owner, str(number)) for number in range(4)]
    names = count()

    async def one_after_the_other() -> list[dict[str, Any]]:
        done = []
        for _ in range(6):
            id, to = chance.sample([*ids, None], 2)
            if id is None:
                values = {"input": {"name": f"new {next(names)}", "parentId": to}}
                done.append(await api.execute(CREATE, values, caller=owner))
            else:
                done.append(await api.execute(MOVE, {"id": id, "to": to}, caller=owner))
        return done

    answers = [answer for done in await asyncio.gather(*(one_after_the_other() for _ in range(4))) for answer in done]
    assert {answer["errors"][0]["extensions"]["code"] for answer in answers if "errors" in answer} <= {"CONFLICT"}
    assert sum("errors" not in answer for answer in answers) > len(answers) / 4
    await assert_a_tree(database)
    assert len(await paths_of(api, owner)) == len((await contents(database))["folders"])


async def test_folders_are_so_deep_in_each_other_and_no_deeper(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    assert len(LETTERS) == DEEPEST
    ids = await make_line(api, owner, LETTERS)
    other = await make_folder(api, owner, "other")
    async with nothing_written():
        assert await api.code(CREATE, {"input": {"name": "x", "parentId": ids["f"]}}, caller=owner) == "CONFLICT"
        assert await api.code(MOVE, {"id": ids["A"], "to": other}, caller=owner) == "CONFLICT"
        assert await api.code(MOVE, {"id": other, "to": ids["f"]}, caller=owner) == "CONFLICT"
    await api.data(MOVE, {"id": ids["B"], "to": other}, caller=owner)
    assert max(path.count("/") for path in await paths_of(api, owner)) == DEEPEST


async def test_what_gets_deeper_at_both_ends_at_once_stays_within_bounds(api: Api, owner: Person, database: Database) -> None:
    half = LETTERS[: DEEPEST // 2]
    above, below = await make_line(api, owner, half), await make_line(api, owner, half, await make_folder(api, owner, "other"))
    moves = [api.execute(MOVE, {"id": below["A"], "to": above[half[-1]]}, caller=owner)]
    moves += [api.execute(CREATE, {"input": {"name": str(number), "parentId": below[half[-1]]}}, caller=owner) for number in range(2)]
    answers = await asyncio.gather(*moves)
    assert any("errors" in answer for answer in answers)
    assert await assert_a_tree(database) <= DEEPEST


@pytest.mark.slow
@pytest.mark.parametrize("too_many", [False, True])
async def test_a_folder_moves_with_as_many_in_it_as_one_transaction_writes(
    api: Api, owner: Person, database: Database, too_many: bool
) -> None:
    top, other = await make_folder(api, owner), await make_folder(api, owner, "other")
    await make_folder(api, owner, "0", top)
    [model] = [row for row in (await contents(database))["folders"] if row["name"] == "0"]
    copies = [
        model | {"_id": tables.Folder.new_id(), "name": str(number), "name_key": str(number)} for number in range(1, MOST_MOVED + too_many)
    ]
    await database.command({"insert": "folders", "documents": copies})
    answer = await api.execute(MOVE, {"id": top, "to": other}, caller=owner)
    assert ("errors" in answer) == too_many
    await assert_a_tree(database)
