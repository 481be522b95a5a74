"""One execution: its snapshot, its mutations, its caller."""

import asyncio
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from datastore.database import Database
from datastore.errors import ConflictError, UnauthenticatedError
from datastore.scope import Scope, grant
from datastore.settings import Settings
from resolvers.functions import Kind, Marking, MutationContext, marking_of, mutation_in_turn
from resolvers.runs import Run
from resolvers.services import Services
from tests.commands import Commands
from tests.gql.api import Api, Person

LIMIT_SECONDS = 20
CREATE = 'mutation { createProduct(input: {name: "Tea", price: "1.00"}) { id } }'


@pytest.fixture
async def ada(api: Api) -> Person:
    return await api.sign_up()


async def test_all_root_fields_of_a_query_read_one_snapshot_in_few_commands(api: Api, ada: Person, commands: Commands) -> None:
    await api.data(CREATE, caller=ada)
    await api.settle()
    before = commands.reads
    await api.data(
        "{ products { nodes { name category { name } } } productCategories { nodes { name } } settings { currency } }", caller=ada
    )
    authentication, reads = 1, 1
    assert commands.reads - before <= authentication + reads + 1


async def test_a_mutation_sees_what_the_one_before_it_in_the_request_did(api: Api, ada: Person) -> None:
    product = (await api.data(CREATE, caller=ada))["createProduct"]["id"]
    document = """
    mutation ($id: ID!) {
      one: adjustStock(input: {productId: $id, delta: 2, reason: ""}) { stock stockMovements { nodes { delta } } }
      two: adjustStock(input: {productId: $id, delta: 3, reason: ""}) { stock stockMovements { nodes { delta } } }
    }
    """
    data = await api.data(document, {"id": product}, caller=ada)
    assert data["one"] == {"stock": 2, "stockMovements": {"nodes": [{"delta": 2}]}}
    assert data["two"] == {"stock": 5, "stockMovements": {"nodes": [{"delta": 3}, {"delta": 2}]}}


async def test_a_mutation_that_fails_leaves_those_before_it_and_undoes_itself(api: Api, ada: Person) -> None:
    document = """
    mutation {
      one: createProduct(input: {name: "A", sku: "S", price: "1.00"}) { name }
      two: createProduct(input: {name: "B", sku: "S", price: "1.00", stock: 4}) { name }
    }
    """
    response = await api.execute(document, caller=ada)
    assert response["errors"][0]["path"] == ["two"]
    products = (await api.data("{ products { nodes { name } } }", caller=ada))["products"]["nodes"]
    assert products == [{"name": "A"}]


async def test_signing_in_makes_the_rest_of_the_request_the_persons_own(api: Api, ada: Person) -> None:
    document = """
    mutation ($email: String!) {
      signIn(input: {email: $email, password: "correct horse battery"}) { user { account { settings { currency } } } }
      createProduct(input: {name: "Tea", price: "1.00"}) { name }
    }
    """
    data = await api.data(document, {"email": ada.email})
    assert data["createProduct"] == {"name": "Tea"}
    assert (await api.data("{ products { nodes { name } } }", caller=ada))["products"]["nodes"] == [{"name": "Tea"}]


@pytest.mark.parametrize("document", ["{ products { nodes { id } } }", CREATE, "{ settings { currency } }", "mutation { signOut }"])
async def test_who_is_not_signed_in_is_told_so(api: Api, document: str) -> None:
    assert await api.code(document) == "UNAUTHENTICATED"


async def test_a_query_reads_nothing_that_was_committed_after_it_began(api: Api, ada: Person, settings: Settings) -> None:
    for name in ("A", "B"):
        await api.data(
            'mutation ($n: String!) { createProduct(input: {name: $n, price: "1.00", stock: 50}) { id } }', {"n": name}, caller=ada
        )
    async with AsyncMongoClient[dict[str, Any]](settings.mongodb_uri) as client:
        database = client[settings.mongodb_database]
        for turn in range(20):
            async with client.start_session() as session, await session.start_transaction():
                delta = 1 if turn % 2 else -1
                await database.products.update_one({"name": "A"}, {"$inc": {"stock": delta}}, session=session)
                await database.products.update_one({"name": "B"}, {"$inc": {"stock": -delta}}, session=session)
            data = await api.data("{ products { nodes { stock } } low: products(descending: true) { nodes { stock } } }", caller=ada)
            assert sum(node["stock"] for node in data["products"]["nodes"]) == 100
            assert data["low"]["nodes"] == data["products"]["nodes"][::-1]


async def test_mutations_in_turn_of_one_account_run_one_after_the_other_and_of_two_at_once(services: Services, database: Database) -> None:
    inside: list[str] = []
    seen: list[list[str]] = []
    two_accounts = asyncio.Event()

    async def sell(ctx: MutationContext) -> int:
        inside.append(ctx.scope.account_id)
        seen.append(sorted(inside))
        if len(set(inside)) == 2:
            two_accounts.set()
        await two_accounts.wait()
        number = await ctx.db.next_number("sales")
        inside.remove(ctx.scope.account_id)
        return number

    marked = mutation_in_turn(sell)
    marking = marking_of(marked)
    assert marking == Marking(Kind.MUTATION, in_turn=True)
    people = [grant(f"acc_{name}", f"usr_{name}", "OWNER") for name in ("ann", "bob")]
    async with asyncio.timeout(LIMIT_SECONDS):
        numbers = await asyncio.gather(*(Run(services, who).mutate(marked, marking, {}, "sell") for who in people for _ in range(8)))
    assert sorted(numbers) == sorted(2 * list(range(1, 9)))
    assert all(len(accounts) == len(set(accounts)) for accounts in seen), "two of one account were under way at once"
    assert len(seen) == 16, "some collided and were run again"
    assert len(services.turns) == 0


async def test_a_mutation_in_turn_that_fails_lets_the_next_go_on(services: Services, database: Database, scope: Scope) -> None:
    @mutation_in_turn
    async def sell(ctx: MutationContext, fails: bool) -> int:
        number = await ctx.db.next_number("sales")
        if fails:
            raise ConflictError("No.")
        return number

    marking = marking_of(sell)
    assert marking is not None
    async with asyncio.timeout(LIMIT_SECONDS):
        results = await asyncio.gather(
            *(Run(services, scope).mutate(sell, marking, {"fails": fails}, "sell") for fails in [False, True] * 4),
            return_exceptions=True,
        )
    assert [result for result in results if isinstance(result, int)] == [1, 2, 3, 4]
    with pytest.raises(UnauthenticatedError):
        await Run(services, None).mutate(sell, marking, {"fails": False}, "sell")
    assert len(services.turns) == 0
