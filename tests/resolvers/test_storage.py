from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from datastore import schema as tables
from datastore.errors import UnavailableError
from datastore.schema import File
from datastore.settings import Settings
from resolvers.services import Services
from resolvers.storage import MOST_PARTS, Storage, arriving_key, blob_key

NOW = datetime(2026, 11, 28, 12, 0, 40, tzinfo=UTC)
ROW = File(
    id="fil_01J0000000000000000000000A",
    created_at=NOW,
    updated_at=NOW,
    account_id="acc_1",
    name="x",
    content_type="text/plain",
    size_bytes=5,
    sha256=None,
    status="READY",
    problem=None,
    folder_id=None,
    uploaded_by_id="usr_1",
    blob="v1",
    upload_id=None,
    lapses_at=None,
    deleted_at=None,
    origin=None,
)


def test_a_file_is_cut_into_parts_that_add_up_to_it(services: Services) -> None:
    storage = services.outside.storage
    for size in (1, storage.part_bytes, storage.part_bytes + 1, 5 << 30, 10**12):
        sizes = storage.part_sizes(size)
        assert sum(sizes) == size
        assert len(sizes) <= MOST_PARTS
        assert all(part >= storage.part_bytes for part in sizes[:-1])
    assert not storage.in_parts(storage.part_bytes)
    assert storage.in_parts(storage.part_bytes + 1)


@pytest.mark.parametrize("seconds", [1, 2, 60, 301, 604_800])
def test_a_link_is_good_for_half_of_its_time_at_least_and_never_longer_than_it(services: Services, seconds: int) -> None:
    for offset in range(0, 400, 7):
        at = NOW + timedelta(seconds=offset)
        url, until = services.outside.storage.download(ROW, at, seconds, inline=False)
        asked = parse_qs(urlsplit(url).query)
        begun = datetime.strptime(asked["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        expires = begun + timedelta(seconds=int(asked["X-Amz-Expires"][0]))
        assert at < until
        assert begun <= at
        assert expires - at <= timedelta(seconds=seconds)
        assert expires - at >= timedelta(seconds=seconds // 2)
        assert services.outside.storage.download(ROW, until - timedelta(milliseconds=1), seconds, inline=False)[0] == url


def test_the_place_that_clients_write_to_is_not_the_one_that_files_are_read_from() -> None:
    row: tables.File = ROW
    assert not blob_key(row).startswith(arriving_key(row))
    assert blob_key(row) != blob_key(row, "v2")


def test_without_a_store_nothing_is_signed() -> None:
    with pytest.raises(UnavailableError):
        Storage.of(Settings(env="test")).form(ROW, NOW)
