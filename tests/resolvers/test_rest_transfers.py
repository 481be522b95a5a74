"""How downloads are made; over HTTP they are tested in tests/gql/rest/test_transfers.py."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from datastore.errors import InvalidInputError
from datastore.scope import Scope
from datastore.tables import Row
from resolvers import rest_transfers
from resolvers.table_files import CSV
from resolvers.table_texts import Column, Columns
from tests.datastore.samples import product

COLUMNS: Columns[Any] = (Column("name", lambda row: row.name),)


async def test_the_header_comes_with_the_first_rows_so_that_a_failure_comes_before_it() -> None:
    async def failing() -> AsyncGenerator[tuple[Row, ...], None]:
        raise InvalidInputError.of("x", "no")
        yield ()  # type: ignore[unreachable]

    download = rest_transfers._csv("products", COLUMNS, failing(), bom=True)
    assert (download.name, download.media_type) == ("products.csv", CSV)
    with pytest.raises(InvalidInputError):
        await anext(download.chunks)


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_the_reading_ends_with_the_download_however_much_of_it_was_taken(scope: Scope, taken: int) -> None:
    ended = False

    async def batches() -> AsyncGenerator[tuple[Row, ...], None]:
        nonlocal ended
        try:
            while True:
                yield (product(scope),)
        finally:
            ended = True

    for made in (rest_transfers._csv("x", COLUMNS, batches(), bom=False), rest_transfers._jsonl("x", COLUMNS, batches())):
        ended = False
        pieces = [await anext(made.chunks) for _ in range(taken)]
        await made.chunks.aclose()
        assert len(pieces) == taken
        assert ended == bool(taken)


async def test_a_table_that_is_too_long_in_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_transfers, "MOST_BYTES", 10)

    async def chunks() -> AsyncGenerator[bytes, None]:
        for _ in range(3):
            yield b"12345"

    with pytest.raises(InvalidInputError, match="10 bytes"):
        assert [chunk async for chunk in rest_transfers._bounded(chunks())]
