from typing import Any

from datastore import schema as tables
from resolvers.calls import Calls
from resolvers.exports import all_products
from resolvers.functions import MutationContext
from resolvers.users import addressee
from tests.gql.api import Api, Person
from tests.resolvers.errands import name_of_business
from tests.resolvers.shop import make_product


async def calls_of(api: Api, person: Person) -> Calls:
    scope = await api.scope_of(person)
    assert scope is not None
    return Calls(api.services, scope)


async def rename_business(ctx: MutationContext, name: str) -> dict[str, Any]:
    row = await ctx.db.find(tables.Settings, "by_account")
    assert row is not None
    return {"name": (await ctx.db.update(row, business_name=name)).business_name}


async def test_what_was_written_is_seen_by_the_next_read(api: Api, owner: Person) -> None:
    calls = await calls_of(api, owner)
    for name in ("Engines", "Looms"):
        assert await calls.mutate(rename_business, name=name) == {"name": name}
        assert await calls.query(name_of_business) == name


async def test_a_function_is_given_the_context_that_it_names(api: Api, owner: Person) -> None:
    calls = await calls_of(api, owner)
    found = await calls.query(addressee, user_id=owner.user_id)
    assert found is not None
    assert found.email == owner.email


async def test_a_long_list_is_read_in_batches(api: Api, owner: Person) -> None:
    await make_product(api, owner, "Assam")
    calls = await calls_of(api, owner)
    assert [row.name async for batch in calls.stream(all_products) for row in batch] == ["Assam"]
