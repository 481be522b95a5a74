"""`emailStatement`, as a client sees it."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from datastore.errors import ForbiddenError
from datastore.scope import grant
from resolvers.functions import Kind, Marking
from resolvers.runs import Run
from resolvers.services import Services
from resolvers.statements import email_statement
from tests.gql.api import Api, Person
from tests.resolvers.conftest import Unchanged
from tests.resolvers.post import Post, pdf_of, post_office, text_of
from tests.resolvers.shop import make_product, problems
from tests.resolvers.till import line, sell

SEND = "mutation ($from: Date!, $to: Date!) { emailStatement(from: $from, to: $to) { id kind status } }"
RECORD = "mutation ($input: RecordTransactionInput!) { recordTransaction(input: $input) { id } }"
NOVEMBER = {"from": "2026-11-01", "to": "2026-11-30"}


@pytest.fixture
async def post(api: Api, services: Services) -> AsyncIterator[Post]:
    """A post office."""
    async with post_office(services) as post:
        yield post


async def record(api: Api, owner: Person, amount: str, description: str, day: str) -> None:
    values = {"amount": amount, "description": description, "occurredAt": f"{day}T12:00:00Z"}
    await api.data(RECORD, {"input": values}, caller=owner)


async def test_a_statement_goes_to_who_asks_with_the_balances_around_its_days(api: Api, owner: Person, post: Post) -> None:
    await record(api, owner, "100.00", "Before", "2026-09-30")
    await record(api, owner, "25.00", "First day", "2026-10-01")
    await record(api, owner, "-5.50", "Last day", "2026-10-31")
    await record(api, owner, "1000.00", "After", "2026-11-01")
    data = await api.data(SEND, {"from": "2026-10-01", "to": "2026-10-31"}, caller=owner)
    assert data["emailStatement"]["kind"] == "emailStatement"
    await post.work()
    [message] = post.messages
    assert post.recipients == [owner.email]
    assert message["Subject"] == "Ada Lovelace: statement from Oct 1, 2026 to Oct 31, 2026"
    assert "Opening balance: $100.00\nMoney in: $25.00\nMoney out: -$5.50\nClosing balance: $119.50" in text_of(message)
    name, text = pdf_of(message)
    assert name == "Statement-2026-10-01-2026-10-31.pdf"
    assert "Oct 1, 2026 Manual First day $25.00 $125.00" in text
    assert "Oct 31, 2026 Manual Last day -$5.50 $119.50" in text
    assert "Before" not in text.replace("Opening", "")
    assert "After" not in text


async def test_a_sale_is_on_the_statement_of_its_day(api: Api, owner: Person, post: Post) -> None:
    await sell(api, owner, line(await make_product(api, owner, "Assam", "4.50", stock=10)))
    today = api.services.clock().date().isoformat()
    await api.data(SEND, {"from": today, "to": today}, caller=owner)
    await post.work()
    assert "Sale Sale 1 $4.50 $4.50" in pdf_of(post.messages[0])[1]


async def test_days_on_which_nothing_happened_have_a_statement_too(api: Api, owner: Person, post: Post) -> None:
    await api.data(SEND, NOVEMBER, caller=owner)
    await post.work()
    assert "Nothing came in or went out in this period." in pdf_of(post.messages[0])[1]


async def test_the_mail_is_in_the_persons_language_and_the_statement_in_that_of_the_business(api: Api, owner: Person, post: Post) -> None:
    await api.data('mutation { updateProfile(input: {locale: "de"}) { id } }', caller=owner)
    await api.data(SEND, NOVEMBER, caller=owner)
    await post.work()
    [message] = post.messages
    assert message["Subject"] == "Ada Lovelace: Kontoauszug vom 01.11.2026 bis 30.11.2026"
    assert "Opening balance" in pdf_of(message)[1]


async def test_nobody_else_is_on_it(api: Api, owner: Person, stranger: Person, post: Post) -> None:
    await record(api, stranger, "7.77", "Secret", "2026-11-02")
    await api.data(SEND, NOVEMBER, caller=owner)
    await post.work()
    assert "Secret" not in pdf_of(post.messages[0])[1]


@pytest.mark.parametrize(
    ("days", "path"),
    [
        ({"from": "2026-11-02", "to": "2026-11-01"}, "to"),
        ({"from": "1999-12-31", "to": "2026-11-01"}, "from"),
        ({"from": "2026-11-01", "to": "2100-01-01"}, "to"),
        ({"from": "2000-01-01", "to": "2026-11-01"}, "to"),
        ({"from": "0001-01-01", "to": "9999-12-31"}, "from"),
    ],
)
async def test_days_that_make_no_period_are_refused(
    api: Api, owner: Person, nothing_written: Unchanged, days: dict[str, Any], path: str
) -> None:
    async with nothing_written():
        assert problems(await api.execute(SEND, days, caller=owner)) == [path]


async def test_staff_see_no_ledger(api: Api, owner: Person, services: Services, nothing_written: Unchanged) -> None:
    run = Run(services, grant(owner.account_id, owner.user_id, "STAFF"))
    async with nothing_written():
        with pytest.raises(ForbiddenError):
            await run.mutate(email_statement, Marking(Kind.MUTATION), {"from_": date(2026, 11, 1), "to": date(2026, 11, 2)}, "x")


async def test_who_is_not_signed_in_gets_none(api: Api) -> None:
    assert await api.code(SEND, NOVEMBER) == "UNAUTHENTICATED"
