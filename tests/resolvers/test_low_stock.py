from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from datastore.scope import grant
from resolvers.calls import Calls
from resolvers.sale_inputs import PaymentMethod, RecordSaleInput, SaleItemInput
from resolvers.sales import record_sale
from resolvers.scalars import Quantity
from resolvers.services import Services
from tests.commands import Commands
from tests.gql.api import Api, Person
from tests.resolvers.post import Post, post_office, text_of
from tests.resolvers.shop import adjust, make_product
from tests.resolvers.till import RECORD_SALE, line, order, sell, void

MOVING = ("find", "aggregate", "insert", "update", "findAndModify", "delete")


@pytest.fixture
async def post(api: Api, services: Services) -> AsyncIterator[Post]:
    """A post office."""
    async with post_office(services) as post:
        yield post


@pytest.fixture
async def told(api: Api, owner: Person) -> None:
    """The owner wants to be told."""
    await api.data("mutation { updateSettings(input: {lowStockEmail: true}) { id } }", caller=owner)


async def product(api: Api, owner: Person, name: str = "Assam", stock: int = 5, threshold: int = 3) -> dict[str, Any]:
    return await make_product(api, owner, name, stock=stock, lowStockThreshold=threshold)


async def test_a_sale_that_brings_products_down_to_their_threshold_is_told_of_in_one_mail(
    api: Api, owner: Person, told: None, post: Post
) -> None:
    teas = [await product(api, owner, name) for name in ("Assam", "Darjeeling", "Ceylon")]
    await sell(api, owner, line(teas[0], 2), line(teas[1], 3), line(teas[2], 1))
    await post.work()
    [message] = post.messages
    assert post.recipients == [owner.email]
    assert message["Subject"] == "Ada Lovelace: stock is low"
    assert "Assam: In stock 3, Threshold 3\nDarjeeling: In stock 2, Threshold 3\n" in text_of(message)
    assert "Ceylon" not in text_of(message)


async def test_it_is_told_of_once_for_each_time_that_it_comes_down(api: Api, owner: Person, told: None, post: Post) -> None:
    tea = await product(api, owner)
    await sell(api, owner, line(tea, 2))
    await sell(api, owner, line(tea))
    await post.work()
    assert len(post.messages) == 1
    await adjust(api, owner, tea["id"], 10)
    await adjust(api, owner, tea["id"], -9)
    await post.work()
    assert len(post.messages) == 2
    assert "Assam: In stock 3" in text_of(post.messages[1])


async def test_a_sale_that_is_refused_tells_of_nothing(api: Api, owner: Person, told: None, post: Post) -> None:
    tea = await product(api, owner)
    assert await api.code(RECORD_SALE, order(line(tea, 6)), caller=owner) == "CONFLICT"
    await post.work()
    assert post.messages == []


async def test_what_comes_up_or_stays_low_is_not_told_of(api: Api, owner: Person, told: None, post: Post) -> None:
    tea = await product(api, owner, stock=2)
    sale = await sell(api, owner, line(tea))
    await void(api, owner, sale)
    await adjust(api, owner, tea["id"], 1)
    await post.work()
    assert post.messages == []


async def test_who_did_not_ask_is_not_told(api: Api, owner: Person, post: Post) -> None:
    tea = await product(api, owner)
    await sell(api, owner, line(tea, 5))
    await post.work()
    assert post.messages == []


async def test_owners_are_told_of_what_their_staff_sold_also_after_that_one_has_left(
    api: Api, owner: Person, told: None, post: Post
) -> None:
    tea = await product(api, owner)
    staff = Calls(api.services, grant(owner.account_id, "usr_staff", "STAFF"))
    given = RecordSaleInput(items=[SaleItemInput(product_id=tea["id"], quantity=Quantity(2))], payment_method=PaymentMethod.CASH)
    await staff.mutate(record_sale, input=given)
    await post.work()
    assert post.recipients == [owner.email]


async def test_it_is_told_in_the_owners_language(api: Api, owner: Person, told: None, post: Post) -> None:
    await api.data('mutation { updateProfile(input: {locale: "de"}) { id } }', caller=owner)
    await sell(api, owner, line(await product(api, owner), 2))
    await post.work()
    assert "Assam: Bestand 3, Meldegrenze 3" in text_of(post.messages[0])


async def test_a_sale_that_brings_nothing_down_costs_no_command_more(api: Api, owner: Person, commands: Commands) -> None:
    tea = await product(api, owner, stock=100)
    await sell(api, owner, line(tea))

    async def cost() -> dict[str, int]:
        before = Counter(commands.counts)
        await sell(api, owner, line(tea))
        return {name: number for name, number in (commands.counts - before).items() if name in MOVING}

    off = await cost()
    await api.data("mutation { updateSettings(input: {lowStockEmail: true}) { id } }", caller=owner)
    assert await cost() == off
