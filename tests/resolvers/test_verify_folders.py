"""Folders make a tree: one that does not lie where it says is named."""

import pytest

from datastore.schema import Folder
from resolvers.folder_tree import DEEPEST
from resolvers.services import Services
from tests.resolvers.broken_books import Break, assert_named

pytestmark = pytest.mark.slow

BREAKS = [
    Break(
        "a folder that is not where its parent is",
        Folder,
        {"ancestor_ids": []},
        "^folder {id}: ancestor_ids is .., but those of its parent make {ancestor_ids}$",
        {"parent_id": {"$ne": None}},
    ),
    Break(
        "a folder that lies in itself",
        Folder,
        lambda before: {"parent_id": before["_id"], "parent_key": before["_id"], "ancestor_ids": [before["_id"]]},
        "^folder {id}: ancestor_ids is .'{id}'., but those of its parent make .'{id}', '{id}'.$",
        {"parent_id": None},
    ),
    Break(
        "a folder that is too deep",
        Folder,
        lambda before: {"ancestor_ids": before["ancestor_ids"] * DEEPEST},
        "^folder {id}: it lies in 32 folders, and 31 is the most$",
        {"parent_id": {"$ne": None}},
    ),
    Break(
        "a folder whose parent is gone",
        Folder,
        {"parent_id": "fld_00000000000000000000000000", "parent_key": "fld_00000000000000000000000000"},
        "^folder {id}: its folder fld_00000000000000000000000000 is not there$",
        {"parent_id": {"$ne": None}},
    ),
]


@pytest.mark.parametrize("one", BREAKS, ids=str)
async def test_each_folder_that_hangs_wrong_is_named(kept_books: Services, one: Break) -> None:
    await assert_named(kept_books, one)
