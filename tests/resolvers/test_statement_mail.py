"""Statements of any length: nothing lost, nothing twice, and it adds up."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from datastore import schema as tables
from resolvers import statement_mail
from resolvers.functions import Kind, Marking, QueryContext
from resolvers.runs import Run
from resolvers.services import Services
from resolvers.statement_mail import balance_before, entries_after
from tests.datastore.samples import stored
from tests.gql.api import Api, Person
from tests.resolvers.paperwork import entry_row
from tests.resolvers.post import Post, pdf_of, post_office

SEND = 'mutation { emailStatement(from: "2026-11-01", to: "2026-11-30") { id } }'
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)


@pytest.fixture
async def post(api: Api, services: Services) -> AsyncIterator[Post]:
    """A post office."""
    async with post_office(services) as post:
        yield post


async def fill(api: Api, owner: Person, count: int) -> None:
    """Entries of one cent each, thirty a minute."""
    rows = [
        entry_row(1, f"Entry {number}.", f"2026-11-{1 + number % 30:02}").model_copy(
            update={"id": tables.LedgerEntry.new_id(), "account_id": owner.account_id}
        )
        for number in range(count)
    ]
    await stored(api.services.database, *rows)


async def context(api: Api, owner: Person) -> QueryContext:
    context = Run(api.services, await api.scope_of(owner)).query_context(Marking(Kind.QUERY))
    assert isinstance(context, QueryContext)
    return context


async def test_entries_come_in_stretches_each_once_the_oldest_first(api: Api, owner: Person) -> None:
    await fill(api, owner, 2345)
    ctx, seen, lengths, after = await context(api, owner), list[Any](), list[int](), None
    while True:
        stretch = await entries_after(ctx, FIRST, LAST, after)
        seen += stretch.entries
        lengths.append(len(stretch.entries))
        if stretch.next_after is None:
            break
        after = stretch.next_after
    assert lengths == [1000, 1000, 345]
    assert len({entry.id for entry in seen}) == 2345
    assert [entry.occurred_on for entry in seen] == sorted(entry.occurred_on for entry in seen)


async def test_the_balance_before_a_day_is_that_of_all_days_before(api: Api, owner: Person) -> None:
    record = "mutation ($input: RecordTransactionInput!) { recordTransaction(input: $input) { id } }"
    for day in ("2026-10-31", "2026-11-01"):
        await api.data(record, {"input": {"amount": "1.00", "description": "x", "occurredAt": f"{day}T00:00:00Z"}}, caller=owner)
    ctx = await context(api, owner)
    assert [await balance_before(ctx, date(2026, month, 1)) for month in (10, 11, 12)] == [0, 100, 200]


@pytest.mark.slow
async def test_thousands_of_entries_are_all_on_the_statement(api: Api, owner: Person, post: Post) -> None:
    await fill(api, owner, 2_500)
    await api.data(SEND, caller=owner)
    await post.work()
    _, text = pdf_of(post.messages[0])
    assert "Entries 2,500" in text
    assert "Closing balance $25.00" in text
    assert all(f"Entry {number}." in text for number in range(2_500))


async def test_more_than_a_pdf_is_good_for_is_refused_with_a_better_way(
    api: Api, owner: Person, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_mail, "MOST_ENTRIES", 10)
    await fill(api, owner, 11)
    id = (await api.data(SEND, caller=owner))["emailStatement"]["id"]
    await post.work()
    job = (await api.data("query ($id: ID!) { job(id: $id) { status error } }", {"id": id}, caller=owner))["job"]
    assert job["status"] == "FAILED"
    assert "export them as a table" in job["error"]
    assert post.messages == []
