import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from resolvers.figures import Figures
from resolvers.functions import Kind, Marking
from resolvers.runs import Run
from resolvers.services import Services
from resolvers.summary_mail import schedule_summary, shown_figures
from resolvers.wording import Wording
from tests.gql.api import Api, Person
from tests.resolvers.paperwork import settings_row
from tests.resolvers.post import Post, post_office, text_of

SETTINGS = "mutation ($input: UpdateSettingsInput!) { updateSettings(input: $input) { id } }"
RECORD_EXPENSE = "mutation ($input: RecordExpenseInput!) { recordExpense(input: $input) { id } }"


@pytest.fixture
async def post(api: Api, services: Services) -> AsyncIterator[Post]:
    """A post office."""
    async with post_office(services) as post:
        yield post


async def morning(api: Api, owner: Person, moment: datetime) -> None:
    """What the cron does for one business at a moment."""
    services = replace(api.services, clock=lambda: moment)
    scope = await api.scope_of(owner)
    await Run(services, scope).mutate(schedule_summary, Marking(Kind.MUTATION), {}, "summary")


async def due_at(api: Api) -> datetime:
    reply = await api.services.database.command({"find": "summary_mails"})
    [row] = reply["cursor"]["firstBatch"]
    moment: datetime = row["due_at"]
    return moment


async def wish(api: Api, owner: Person, **values: Any) -> None:
    await api.data(SETTINGS, {"input": {"dailySummaryEmail": True, **values}}, caller=owner)


async def test_the_owner_is_told_of_yesterday_beside_the_day_before(api: Api, owner: Person, post: Post) -> None:
    await wish(api, owner, timeZone="Europe/Berlin")
    moment = await due_at(api)
    yesterday = (moment - timedelta(days=1)).date()
    for day, amount in ((yesterday, "30.00"), (yesterday - timedelta(days=1), "10.00"), (moment.date(), "99.00")):
        values = {"amount": amount, "incurredOn": day.isoformat(), "vendor": "Mill"}
        await api.data(RECORD_EXPENSE, {"input": values}, caller=owner)
    await morning(api, owner, moment)
    await post.work(until=moment)
    [message] = post.messages
    assert post.recipients == [owner.email]
    text = text_of(message)
    assert "Expenses: $30.00 (The day before: $10.00)" in text
    assert "Profit before tax: -$30.00 (The day before: -$10.00)" in text
    assert "Average sale: – (The day before: –)" in text
    assert yesterday.strftime("%b ") in message["Subject"]


async def test_a_day_is_told_of_once_however_many_processes_find_it_due(api: Api, owner: Person, post: Post) -> None:
    await wish(api, owner)
    moment = await due_at(api)
    await asyncio.gather(*(morning(api, owner, moment) for _ in range(5)))
    await morning(api, owner, moment + timedelta(hours=1))
    await post.work(until=moment + timedelta(hours=1))
    assert len(post.messages) == 1
    await morning(api, owner, moment + timedelta(days=1))
    await post.work(until=moment + timedelta(days=1))
    assert len(post.messages) == 2


async def test_nothing_is_told_before_the_morning(api: Api, owner: Person, post: Post) -> None:
    await wish(api, owner)
    before = await due_at(api) - timedelta(seconds=1)
    await morning(api, owner, before)
    await post.work(until=before)
    assert post.messages == []


async def test_mornings_that_were_missed_are_told_of_by_the_latest_alone(api: Api, owner: Person, post: Post) -> None:
    await wish(api, owner)
    moment = await due_at(api) + timedelta(days=4, hours=3)
    await morning(api, owner, moment)
    await post.work(until=moment)
    [message] = post.messages
    assert str((moment - timedelta(days=1)).day) in message["Subject"]
    assert await due_at(api) > moment


async def test_a_move_to_another_time_zone_tells_of_no_day_twice(api: Api, owner: Person, post: Post) -> None:
    # Where it is morning first, yesterday is told of; fourteen hours later it is morning in Berlin, and yesterday is still the same day.
    await wish(api, owner, timeZone="Pacific/Kiritimati")
    moment = await due_at(api)
    await morning(api, owner, moment)
    await wish(api, owner, timeZone="Europe/Berlin")
    later = moment + timedelta(hours=14)
    assert await due_at(api) <= later
    await morning(api, owner, later)
    await post.work(until=later)
    assert len(post.messages) == 1


async def test_who_switched_it_off_meanwhile_is_not_told(api: Api, owner: Person, post: Post) -> None:
    await wish(api, owner)
    moment = await due_at(api)
    await api.data(SETTINGS, {"input": {"dailySummaryEmail": False}}, caller=owner)
    await morning(api, owner, moment)
    await post.work(until=moment)
    assert post.messages == []


async def test_the_cron_finds_every_business_whose_morning_has_come(api: Api, owner: Person, stranger: Person, post: Post) -> None:
    await wish(api, owner)
    await wish(api, stranger, timeZone="Asia/Tokyo")
    await post.work(until=api.services.clock() + timedelta(days=1, minutes=10))
    assert post.recipients == sorted([owner.email, stranger.email])


def test_the_figures_are_written_as_the_reader_writes_them() -> None:
    now = Figures(sales_count=1234, sales_minor=123_400, sales_tax_minor=19_700)
    shown = shown_figures(Wording.of(settings_row("de")), now, Figures())
    rows = {figure.label: (figure.value.replace("\N{NO-BREAK SPACE}", " "), figure.before) for figure in shown}
    assert rows["Verkäufe"] == ("1.234", "0")
    assert rows["Umsatz"][0] == "1.234,00 €"
    assert rows["Durchschnittlicher Verkauf"] == ("1,00 €", "–")
