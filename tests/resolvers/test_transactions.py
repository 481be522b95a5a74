import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datastore.database import Database
from resolvers.verify import verify
from tests.gql.api import Api, Person
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.shop import problems
from tests.resolvers.spending import (
    ENTRY,
    RECORD_TRANSACTION,
    REVERSE,
    SETTINGS,
    Values,
    balance_of,
    enter,
    listed,
    made,
    make_category,
    refusal,
    spend,
)

MISSING = "txn_01J0000000000000000000000A"
LARGEST = "10000000000000.00"


async def ledger_of(api: Api, owner: Person, arguments: str = "first: 100") -> list[Values]:
    return await listed(api, owner, "transactions", ENTRY, arguments)


async def test_money_entered_by_hand_stands_in_the_ledger_and_in_the_balance(api: Api, owner: Person, database: Database) -> None:
    entered = await enter(api, owner, "50.00", "Float of the till")
    await enter(api, owner, "-12.30", "To the bank")
    assert entered | {"kind": "MANUAL", "amount": "50.00", "currency": "USD", "description": "Float of the till"} == entered
    assert entered["occurredAt"] == entered["createdAt"]
    assert entered["recordedBy"] == {"userId": owner.user_id}
    assert (entered["source"], entered["reverses"], entered["reversedBy"]) == (None, None, None)
    assert [entry["amount"] for entry in await ledger_of(api, owner)] == ["-12.30", "50.00"]
    assert await balance_of(api, owner) == "37.70"
    assert (await verify(database)).findings == ()


async def test_one_transaction_is_found_by_its_id(api: Api, owner: Person, stranger: Person) -> None:
    entered = await enter(api, owner)
    document = f"query ($id: ID!) {{ transaction(id: $id) {{ {ENTRY} }} }}"
    assert await api.data(document, {"id": entered["id"]}, caller=owner) == {"transaction": entered}
    assert await api.data(document, {"id": entered["id"]}, caller=stranger) == {"transaction": None}
    assert await api.data(document, {"id": MISSING}, caller=owner) == {"transaction": None}
    assert problems(await api.execute(document, {"id": "exp" + MISSING[3:]}, caller=owner)) == ["id"]


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"amount": "0", "description": "Float"}, ["input.amount"]),
        ({"amount": "-0.00", "description": "Float"}, ["input.amount"]),
        ({"amount": "0.001", "description": "Float"}, ["input.amount"]),
        ({"amount": "10000000000000.01", "description": "Float"}, ["input.amount"]),
        ({"amount": "-10000000000000.01", "description": "Float"}, ["input.amount"]),
        ({"amount": "1e3", "description": "Float"}, ["input.amount"]),
        ({"amount": 5, "description": "Float"}, ["input.amount"]),
        ({"amount": None, "description": "Float"}, ["input.amount"]),
        ({"amount": "1", "description": " "}, ["input.description"]),
        ({"amount": "1", "description": "x" * 201}, ["input.description"]),
        ({"amount": "1", "description": "\0"}, ["input.description"]),
        ({"amount": "1", "description": "Float", "occurredAt": "1999-12-31T23:59:59Z"}, ["input.occurredAt"]),
        ({"amount": "1", "description": "Float", "occurredAt": "1900-01-01T00:00:00Z"}, ["input.occurredAt"]),
        ({"amount": "1", "description": "Float", "occurredAt": "2200-01-01T00:00:00Z"}, ["input.occurredAt"]),
        ({"amount": "1", "description": "Float", "occurredAt": "2026-02-30T00:00:00Z"}, ["input.occurredAt"]),
        ({"amount": "1", "description": "Float", "occurredAt": "today"}, ["input.occurredAt"]),
        ({"amount": "1", "description": "Float", "kind": "SALE"}, ["input.kind"]),
    ],
)
async def test_a_bad_transaction_is_refused(api: Api, owner: Person, nothing_written: Unchanged, values: Values, paths: list[str]) -> None:
    async with nothing_written():
        assert problems(await api.execute(RECORD_TRANSACTION, {"input": values}, caller=owner)) == paths


async def test_a_tills_clock_may_be_minutes_ahead_but_not_more(api: Api, owner: Person) -> None:
    now = datetime.now(UTC)
    await enter(api, owner, occurredAt=(now + timedelta(minutes=4)).isoformat())
    late = {"amount": "1", "description": "Float", "occurredAt": (now + timedelta(minutes=6)).isoformat()}
    assert await refusal(api, owner, RECORD_TRANSACTION, input=late) == ("INVALID_INPUT", ["input.occurredAt"])


async def test_a_transaction_is_reversed_on_its_own_day(api: Api, owner: Person, database: Database) -> None:
    entered = await enter(api, owner, "50.00", "Float of the till", occurredAt="2026-01-31T12:00:00Z")
    reversal = await made(api, owner, REVERSE, id=entered["id"], reason="Entered twice")
    assert reversal | {"kind": "MANUAL", "amount": "-50.00", "occurredOn": "2026-01-31", "occurredAt": entered["occurredAt"]} == reversal
    assert reversal["description"] == "Reversal of “Float of the till”: Entered twice"
    assert reversal["reverses"] == {"id": entered["id"]}
    [entry] = [entry for entry in await ledger_of(api, owner) if entry["id"] == entered["id"]]
    assert entry == entered | {"reversedBy": {"id": reversal["id"]}}
    assert [await balance_of(api, owner, day) for day in (None, "2026-01-30", "2026-01-31")] == ["0.00", "0.00", "0.00"]
    assert (await verify(database)).findings == ()


async def test_nothing_is_reversed_twice_and_no_reversal_is(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    entered = await enter(api, owner)
    reversal = await made(api, owner, REVERSE, id=entered["id"])
    async with nothing_written():
        assert await refusal(api, owner, REVERSE, id=entered["id"]) == ("CONFLICT", [])
        assert await refusal(api, owner, REVERSE, id=reversal["id"]) == ("CONFLICT", [])


async def test_of_two_reversals_at_once_one_is_a_conflict(api: Api, owner: Person, database: Database) -> None:
    for _ in range(3):
        entered = await enter(api, owner)
        answers = await asyncio.gather(*(api.execute(REVERSE, {"id": entered["id"]}, caller=owner) for _ in range(3)))
        assert sorted("errors" in answer for answer in answers) == [False, True, True]
        assert {error["extensions"]["code"] for answer in answers for error in answer.get("errors", ())} == {"CONFLICT"}
    assert await balance_of(api, owner) == "0.00"
    assert (await verify(database)).findings == ()


async def test_the_transaction_of_an_expense_is_not_reversed_by_hand(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    await spend(api, owner)
    [entry] = await ledger_of(api, owner)
    async with nothing_written():
        [error] = (await api.execute(REVERSE, {"id": entry["id"]}, caller=owner))["errors"]
    assert error["extensions"]["code"] == "CONFLICT"
    assert "change or delete the expense instead" in error["message"]


@pytest.mark.parametrize(
    ("id", "reason", "refused"),
    [
        (MISSING, "Why", ("NOT_FOUND", [])),
        ("theirs", "Why", ("NOT_FOUND", [])),
        ("", "Why", ("INVALID_INPUT", ["id"])),
        ("prd" + MISSING[3:], "Why", ("INVALID_INPUT", ["id"])),
        (MISSING, "", ("INVALID_INPUT", ["reason"])),
        (MISSING, "x" * 201, ("INVALID_INPUT", ["reason"])),
    ],
)
async def test_a_bad_reversal_is_refused(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged, id: str, reason: str, refused: Any
) -> None:
    theirs = await enter(api, stranger)
    async with nothing_written():
        assert await refusal(api, owner, REVERSE, id=theirs["id"] if id == "theirs" else id, reason=reason) == refused


async def test_the_ledger_is_narrowed_by_days_and_kind_and_words(api: Api, owner: Person) -> None:
    for day, what in (("01", "Float of the till"), ("02", "Café deposit"), ("03", "Float again")):
        await enter(api, owner, description=what, occurredAt=f"2026-03-{day}T10:00:00Z")
    await spend(api, owner, vendor="Floating docks", incurredOn="2026-03-02")

    async def found(arguments: str) -> list[str]:
        return [entry["description"] for entry in await ledger_of(api, owner, arguments)]

    everything = ["Float again", "Café deposit", "Expense: Floating docks", "Float of the till"]
    assert await found("first: 10") == everything
    assert await found('from: "2026-03-02", to: "2026-03-02"') == everything[1:3]
    assert await found('from: "2026-03-02"') == everything[:3]
    assert await found('to: "2026-03-02"') == everything[1:]
    assert await found("kind: MANUAL") == [everything[0], everything[1], everything[3]]
    assert await found('kind: EXPENSE, from: "2026-03-02", to: "2026-03-31"') == [everything[2]]
    assert await found('kind: EXPENSE, to: "2026-03-01"') == []
    assert await found('search: "FLO"') == [everything[0], everything[2], everything[3]]
    assert await found('search: "flo till"') == [everything[3]]
    assert await found('search: "cafe", from: "2026-03-02", to: "2026-03-02"') == [everything[1]]
    assert await found('search: "flo", to: "2026-03-01"') == [everything[3]]
    assert await found('to: "1900-01-01"') == []
    assert await found('from: "2200-01-01"') == []
    assert await found('from: "0001-01-01", to: "9999-12-31"') == everything


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ('from: "2026-03-02", to: "2026-03-01"', "to"),
        ('search: "float", kind: MANUAL', "search"),
        ('search: "…"', "search"),
        ('after: "nonsense"', "after"),
        ("first: 0", "first"),
        ("first: 101", "first"),
        ("first: -1", "first"),
        ('from: "2026-3-2"', "from"),
        ('from: "2026-02-29"', "from"),
        ("from: 20260301", "from"),
        ("kind: SALES", "kind"),
    ],
)
async def test_a_bad_list_is_refused_by_name(api: Api, owner: Person, arguments: str, path: str) -> None:
    response = await api.execute(f"{{ transactions({arguments}) {{ nodes {{ id }} }} }}", caller=owner)
    [error] = response["errors"]
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert path in str(error)


async def test_pages_of_the_ledger_follow_each_other(api: Api, owner: Person) -> None:
    entered = [await enter(api, owner, f"{number}.00", occurredAt="2026-03-01T10:00:00Z") for number in range(1, 6)]
    found: list[str] = []
    after: str | None = "null"
    while after is not None:
        document = f"{{ transactions(first: 2, after: {after}) {{ nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}"
        page = (await api.data(document, caller=owner))["transactions"]
        found += [node["id"] for node in page["nodes"]]
        after = f'"{page["pageInfo"]["endCursor"]}"' if page["pageInfo"]["hasNextPage"] else None
    assert found == sorted((entry["id"] for entry in entered), reverse=True)


async def test_the_balance_of_a_day_counts_what_is_of_it_or_earlier(api: Api, owner: Person) -> None:
    for moment, amount in (("2025-12-31", "1.00"), ("2026-01-01", "10.00"), ("2026-01-31", "100.00"), ("2026-02-01", "1000.00")):
        await enter(api, owner, amount, occurredAt=f"{moment}T12:00:00Z")
    expected = {
        "1900-01-01": "0.00",
        "2025-12-30": "0.00",
        "2025-12-31": "1.00",
        "2026-01-01": "11.00",
        "2026-01-30": "11.00",
        "2026-01-31": "111.00",
        "2026-02-01": "1111.00",
        "2200-01-01": "1111.00",
        None: "1111.00",
    }
    assert {day: await balance_of(api, owner, day) for day in expected} == expected


@pytest.mark.slow
async def test_the_balance_is_read_from_sums_however_many_months_there_are(api: Api, owner: Person) -> None:
    for month in range(130):
        await enter(api, owner, "1.00", occurredAt=f"{2010 + month // 12}-{month % 12 + 1:02}-15T12:00:00Z")
    assert await balance_of(api, owner) == "130.00"
    assert await balance_of(api, owner, "2020-09-30") == "129.00"


async def test_a_day_is_that_of_the_time_zone_and_stays_when_that_changes(api: Api, owner: Person, database: Database) -> None:
    await made(api, owner, SETTINGS, input={"timeZone": "Europe/Berlin"})
    entered = await enter(api, owner, occurredAt="2026-03-28T23:30:00Z")
    assert entered["occurredOn"] == "2026-03-29"
    await made(api, owner, SETTINGS, input={"timeZone": "America/New_York"})
    assert [entry["occurredOn"] for entry in await ledger_of(api, owner)] == ["2026-03-29"]
    reversal = await made(api, owner, REVERSE, id=entered["id"])
    assert reversal["occurredOn"] == "2026-03-29"
    assert (await enter(api, owner, occurredAt="2026-03-28T23:30:00Z"))["occurredOn"] == "2026-03-28"
    assert (await verify(database)).findings == ()


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-28T23:00:00Z", "2026-03-29"),  # the first moment of a day of 23 hours
        ("2026-03-29T21:59:59Z", "2026-03-29"),
        ("2026-03-29T22:00:00Z", "2026-03-30"),
        ("2026-10-24T22:00:00Z", "2026-10-25"),  # of 25
        ("2026-10-25T22:59:59Z", "2026-10-25"),
        ("2026-10-25T23:00:00Z", "2026-10-26"),
    ],
)
async def test_days_that_daylight_saving_shortens_or_lengthens_end_at_midnight(api: Api, owner: Person, moment: str, day: str) -> None:
    await made(api, owner, SETTINGS, input={"timeZone": "Europe/Berlin"})
    assert (await enter(api, owner, occurredAt=moment))["occurredOn"] == day


async def test_money_entered_fixes_the_currency(api: Api, owner: Person) -> None:
    await made(api, owner, SETTINGS, input={"currency": "JPY"})
    assert await refusal(api, owner, RECORD_TRANSACTION, input={"amount": "1.50", "description": "Float"}) == (
        "INVALID_INPUT",
        ["input.amount"],
    )
    assert (await enter(api, owner, "150"))["amount"] == "150"
    assert await refusal(api, owner, SETTINGS, input={"currency": "EUR"}) == ("CONFLICT", [])
    assert await balance_of(api, owner) == "150"


async def test_a_total_that_the_database_cannot_hold_is_refused_and_nothing_is_lost(
    api: Api, owner: Person, database: Database, nothing_written: Unchanged
) -> None:
    await enter(api, owner, LARGEST)
    # Another 9,222 of these take minutes: the sums are put there as if they had been entered.
    [entry] = (await contents(database))["transactions"]
    near = 2**63 - 1 - 10**14
    for table, change in (("transactions", {"amount_minor": near}), ("summaries", {"manual_minor": near})):
        await database.command(
            {"update": table, "updates": [{"q": {"account_id": entry["account_id"]}, "u": {"$set": change}, "multi": True}]}
        )
    async with nothing_written():
        code, _ = await refusal(api, owner, RECORD_TRANSACTION, input={"amount": LARGEST, "description": "Float"})
    assert code == "INVALID_INPUT"
    assert await balance_of(api, owner) == f"{near // 100}.{near % 100:02}"


async def test_many_who_enter_at_once_all_count(api: Api, owner: Person, database: Database) -> None:
    await asyncio.gather(*(enter(api, owner, "1.00") for _ in range(12)), *(spend(api, owner, "0.50") for _ in range(4)))
    assert await balance_of(api, owner) == "10.00"
    assert (await verify(database)).findings == ()


async def test_nobody_reads_the_ledger_unseen(api: Api, owner: Person, stranger: Person) -> None:
    await enter(api, owner)
    assert await ledger_of(api, stranger) == []
    assert await balance_of(api, stranger) == "0.00"
    assert await api.code("{ balance }") == "UNAUTHENTICATED"


async def test_the_source_of_an_expenses_transaction_is_the_expense_until_it_is_deleted(api: Api, owner: Person) -> None:
    category = await make_category(api, owner)
    expense = await spend(api, owner, "9.00", vendor="Landlord", categoryId=category["id"])
    [entry] = await listed(api, owner, "transactions", "amount source { id __typename ... on Expense { vendor category { name } } }")
    assert entry == {
        "amount": "-9.00",
        "source": {"id": expense["id"], "__typename": "Expense", "vendor": "Landlord", "category": {"name": "Rent"}},
    }
    await api.data("mutation ($id: ID!) { deleteExpense(id: $id) { id } }", {"id": expense["id"]}, caller=owner)
    assert [entry["source"] for entry in await listed(api, owner, "transactions", "source { id }")] == [None, None]
