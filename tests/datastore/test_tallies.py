import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from datastore.database import Database
from datastore.embedded import MongoServer
from datastore.errors import ConflictError, InvalidInputError
from datastore.schema import Breakdown, Counter, Inventory, Product, Summary
from datastore.scope import Scope, grant
from datastore.tables import TallyRow
from datastore.tallies import summed_columns
from datastore.transactions import Transaction, run_transaction
from datastore.writing import Writer
from tests.commands import Commands
from tests.datastore.failpoints import failing
from tests.datastore.samples import count, product, stored, write

LIMIT_SECONDS = 20
DAY = ("DAY", "2026-11-23")
MOST = (1 << 63) - 1


async def summary(database: Database, scope: Scope) -> Summary | None:
    """The sums of the day."""
    return await write(database, scope, lambda writer: writer.find(Summary, "by_key", *DAY))


async def count_up(database: Database, scope: Scope, **deltas: int) -> None:
    """Adds to the sums of the day."""
    await write(database, scope, lambda writer: writer.tally(Summary, {DAY: deltas}))


async def test_a_row_of_sums_is_made_whole_and_then_counted_up(database: Database, scope: Scope) -> None:
    await count_up(database, scope, sales_count=1, sales_minor=500)
    made = await summary(database, scope)
    assert made is not None
    assert Summary.model_validate(dict(made)) == made
    assert made.created_at == made.updated_at
    await count_up(database, scope, sales_count=2, refunds_minor=-100, sales_minor=0)
    counted = await summary(database, scope)
    assert counted is not None
    figures = {name: getattr(counted, name) for name in summed_columns(Summary)}
    assert {name: figure for name, figure in figures.items() if figure} == {"sales_count": 3, "sales_minor": 500, "refunds_minor": -100}
    assert (counted.id, counted.created_at) == (made.id, made.created_at)
    assert timedelta() <= counted.updated_at - made.updated_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("table", "key"),
    [(Summary, DAY), (Breakdown, ("PRODUCT", "DAY", "2026-11-23", "prd_1")), (Inventory, ())],
    ids=str,
)
async def test_every_table_of_sums_takes_a_new_row_of_every_column(
    database: Database, scope: Scope, table: type[TallyRow], key: tuple[str, ...]
) -> None:
    for column in sorted(summed_columns(table)):
        account = grant(f"acc_{column}", scope.user_id, "OWNER")

        async def body(writer: Writer, column: str = column) -> None:
            await writer.tally(table, {key: {column: 1 << 40}})
            await writer.tally(table, {key: {column: 1}})

        await write(database, account, body)
        row = await write(database, account, lambda writer: writer.find(table, "by_key", *key))
        assert {name: getattr(row, name) for name in summed_columns(table)} == dict.fromkeys(summed_columns(table), 0) | {
            column: (1 << 40) + 1
        }


async def test_many_sums_go_in_one_command_for_a_thousand_and_what_is_nothing_is_left_out(
    database: Database, scope: Scope, commands: Commands
) -> None:
    sums: dict[tuple[str, ...], Mapping[str, int]] = {
        ("PRODUCT", "DAY", "2026-11-23", f"prd_{number}"): {"count": number} for number in range(1, 1001)
    }
    nothing: Mapping[str, int] = {"count": 0, "amount_minor": 0}
    before = commands.counts["update"]
    await write(database, scope, lambda writer: writer.tally(Breakdown, sums | {("PRODUCT", "DAY", "2026-11-23", "prd_0"): nothing}))
    assert commands.counts["update"] - before == 1
    assert await count(database, Breakdown) == 1000

    async def none_at_all(writer: Writer) -> None:
        await writer.tally(Breakdown, {})
        await writer.tally(Breakdown, {("PRODUCT", "DAY", "2026-11-23", "prd_1"): nothing})
        assert not writer.changed

    await write(database, scope, none_at_all)


async def test_sums_of_two_accounts_are_two_rows(database: Database, scope: Scope) -> None:
    stranger = grant("acc_stranger", "usr_stranger", "OWNER")
    await count_up(database, scope, sales_count=1)
    await count_up(database, stranger, sales_count=5)
    for whose, figure in ((scope, 1), (stranger, 5)):
        row = await summary(database, whose)
        assert row is not None
        assert row.sales_count == figure


async def test_a_transaction_sees_what_it_counted_up(database: Database, scope: Scope) -> None:
    await count_up(database, scope, sales_count=1)

    async def body(writer: Writer) -> None:
        before = await writer.find(Summary, "by_key", *DAY)
        assert before is not None
        await writer.tally(Summary, {DAY: {"sales_count": 1}})
        after = await writer.get(Summary, before.id)
        assert after is not None
        assert after.sales_count == 2
        assert await writer.next_number("sales") == 1
        counter = await writer.find(Counter, "by_series", "sales")
        assert counter is not None
        assert await writer.next_number("sales") == 2
        again = await writer.get(Counter, counter.id)
        assert again is not None
        assert again.value == 2

    await write(database, scope, body)


@pytest.mark.parametrize(("first", "then"), [(MOST, 1), (-MOST - 1, -1), (MOST, MOST)])
async def test_a_sum_beyond_64_bits_is_refused_and_stays(database: Database, scope: Scope, first: int, then: int) -> None:
    await count_up(database, scope, manual_minor=first)
    with pytest.raises(InvalidInputError, match="64 bits"):
        await count_up(database, scope, manual_minor=then)
    row = await summary(database, scope)
    assert row is not None
    assert row.manual_minor == first


async def test_a_sum_beyond_32_bits_is_nothing_special(database: Database, scope: Scope) -> None:
    for _ in range(3):
        await count_up(database, scope, manual_minor=(1 << 31) - 1)
    row = await summary(database, scope)
    assert row is not None
    assert row.manual_minor == 3 * ((1 << 31) - 1)


async def test_a_delta_that_no_row_can_hold_is_refused_by_name(database: Database, scope: Scope) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await count_up(database, scope, sales_minor=MOST + 1)
    assert refused.value.fields[0].path == "sales"
    key = ("PRODUCT", "DAY", "2026-11-23", "\ud800")
    with pytest.raises(InvalidInputError, match="surrogate"):
        await write(database, scope, lambda writer: writer.tally(Breakdown, {key: {"count": 1}}))


async def test_a_sum_that_was_refused_spoils_the_transaction(database: Database, scope: Scope) -> None:
    await count_up(database, scope, manual_minor=MOST)

    async def swallow(writer: Writer) -> None:
        await writer.insert(product(scope))
        with pytest.raises(InvalidInputError):
            await writer.tally(Summary, {DAY: {"manual_minor": 1}})

    with pytest.raises(InvalidInputError):
        await write(database, scope, swallow)
    assert await count(database, Product) == 0


@pytest.mark.parametrize(
    ("key", "deltas"),
    [
        (("DAY",), {"sales_count": 1}),
        ((*DAY, "more"), {"sales_count": 1}),
        (("DAY", None), {"sales_count": 1}),
        (DAY, {"nonsense": 1}),
        (DAY, {"starts_on": 1}),
        (DAY, {"guard": 1}),
        (DAY, {"updated_at": 1}),
    ],
)
async def test_what_is_no_key_or_no_sum_is_a_fault_of_ours(
    database: Database, scope: Scope, key: tuple[Any, ...], deltas: dict[str, int]
) -> None:
    with pytest.raises(TypeError, match="summaries sums"):
        await write(database, scope, lambda writer: writer.tally(Summary, {key: deltas}))
    with pytest.raises(TypeError, match="holds no sums"):
        await write(database, scope, lambda writer: writer.tally(Product, {}))  # type: ignore[arg-type]
    assert await count(database, Summary) == 0


async def test_no_text_of_a_key_becomes_an_operator(database: Database, scope: Scope) -> None:
    for text in ("$where", "$key", "a.b", "", "\0"):
        key = ("PRODUCT", "DAY", "2026-11-23", text)
        await write(database, scope, lambda writer, key=key: writer.tally(Breakdown, {key: {"count": 1}}))  # type: ignore[misc]
        row = await write(database, scope, lambda writer, text=text: writer.find(Breakdown, "by_key", "PRODUCT", "DAY", "2026-11-23", text))  # type: ignore[misc]
        assert (row.key, row.count) == (text, 1)


async def test_two_transactions_that_make_the_same_row_at_once_make_one_of_both(database: Database, scope: Scope) -> None:
    met, tries = asyncio.Barrier(2), [0, 0]

    async def body(writer: Writer, who: int) -> int:
        assert await writer.find(Product, "by_sku", "none") is None  # the snapshot is taken
        tries[who] += 1
        if tries[who] == 1:
            await met.wait()
        await writer.tally(Summary, {DAY: {"sales_count": 1, "sales_minor": 250}})
        return await writer.next_number("sales")

    async with asyncio.timeout(LIMIT_SECONDS):
        numbers = await asyncio.gather(*(write(database, scope, lambda writer, who=who: body(writer, who)) for who in range(2)))  # type: ignore[misc]
    row = await summary(database, scope)
    assert row is not None
    assert (row.sales_count, row.sales_minor) == (2, 500)
    assert sorted(numbers) == [1, 2]
    assert max(tries) > 1, "the two did not collide"
    assert [await count(database, Summary), await count(database, Counter)] == [1, 1]


@pytest.mark.parametrize("command", ["update", "findAndModify"])
async def test_a_row_that_others_made_meanwhile_is_no_conflict_but_runs_the_transaction_again(
    database: Database, mongod: MongoServer, scope: Scope, command: str
) -> None:
    """The server mostly tells of a write conflict there; of a duplicate key it may."""
    tries = 0

    async def body(transaction: Transaction) -> int:
        nonlocal tries
        tries += 1
        writer = Writer(transaction, scope)
        await writer.tally(Summary, {DAY: {"sales_count": 1}})
        return await writer.next_number("sales")

    told = {"keyPattern": {"account_id": 1}, "keyValue": {"account_id": scope.account_id}}
    async with failing(mongod.uri, command, 1, errorCode=11000, errorExtraInfo=told):
        committed = await run_transaction(database, body)
    assert (committed.value, tries) == (1, 2)
    row = await summary(database, scope)
    assert row is not None
    assert row.sales_count == 1


async def test_numbers_have_no_gap_and_no_double_whatever_fails_between(database: Database, scope: Scope) -> None:
    async def body(transaction: Transaction, fails: bool) -> int:
        writer = Writer(transaction, scope)
        number = await writer.next_number("sales")
        await writer.insert(product(scope, sku=f"number {number}"))
        if fails:
            raise ConflictError("No.")
        return number

    async with asyncio.timeout(LIMIT_SECONDS):
        results = await asyncio.gather(
            *(
                run_transaction(database, lambda transaction, fails=fails: body(transaction, fails), patience=LIMIT_SECONDS)  # type: ignore[misc]
                for fails in [False, True] * 10
            ),
            return_exceptions=True,
        )
    numbers = [result.value for result in results if not isinstance(result, BaseException)]
    assert sorted(numbers) == list(range(1, 11)), results
    assert await write(database, scope, lambda writer: writer.next_number("sales")) == 11


async def test_each_series_of_each_account_begins_at_one(database: Database, scope: Scope) -> None:
    stranger = grant("acc_stranger", "usr_stranger", "OWNER")
    given = [
        await write(database, whose, lambda writer, series=series: writer.next_number(series))  # type: ignore[misc]
        for whose, series in [(scope, "sales"), (scope, "refunds"), (stranger, "sales"), (scope, "sales")]
    ]
    assert given == [1, 1, 1, 2]


async def test_one_command_gives_a_number(database: Database, scope: Scope, commands: Commands) -> None:
    await stored(database, product(scope))
    before = commands.counts["findAndModify"], commands.reads
    await write(database, scope, lambda writer: writer.next_number("sales"))
    assert (commands.counts["findAndModify"], commands.reads) == (before[0] + 1, before[1])
