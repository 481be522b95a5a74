"""What files take is added up: a count that is not theirs is named."""

import pytest

from datastore.schema import File, StorageUsage
from resolvers.services import Services
from tests.resolvers.broken_books import Break, assert_named, off_by_one

pytestmark = pytest.mark.slow

BREAKS = [
    off_by_one(StorageUsage, "bytes", "the files of its account have"),
    off_by_one(StorageUsage, "files", "the files of its account are"),
    Break("a file that is counted nowhere", StorageUsage, None, "^account {account_id}: its 1 files are counted nowhere$"),
    Break("a file that is found by another name", File, {"search_keys": []}, "^file {id}: search_keys is not what its other columns make"),
]


@pytest.mark.parametrize("one", BREAKS, ids=str)
async def test_a_count_that_is_not_that_of_the_files_is_named(kept_books: Services, one: Break) -> None:
    await assert_named(kept_books, one)
