"""What a route declares and what its context may do; routes as programs call them are tested in tests/gql/rest."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pydantic import BaseModel

from datastore import schema as tables
from datastore.embedded import MongoServer
from datastore.errors import ConflictError, UnauthenticatedError, UnavailableError
from datastore.versions import Version
from resolvers import routes
from resolvers.auth import authenticate_key
from resolvers.exports import RowSource
from resolvers.functions import MutationContext, QueryContext
from resolvers.routes import Download, Route, RouteContext, Upload, route, route_of
from tests.datastore.failpoints import failing
from tests.gql.api import Api, Person
from tests.resolvers.key_ring import REVOKE, make_key
from tests.resolvers.shop import make_category


class Wanted(BaseModel):
    """A query string, a body or an answer."""


async def count_categories(ctx: QueryContext) -> int:
    page = await ctx.db.page(tables.ProductCategory, "by_position", (), first=100)
    return len(page.rows)


async def add_category(ctx: MutationContext, *, name: str, fail: bool = False) -> dict[str, Any]:
    row = tables.ProductCategory(
        id=tables.ProductCategory.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        account_id=ctx.scope.account_id,
        name=name,
        description="",
        position=1,
        product_count=0,
    )
    await ctx.db.insert(row)
    if fail:
        raise ConflictError("No.")
    return {"id": row.id}


async def numbers(_source: RowSource, upto: int) -> AsyncGenerator[int, None]:
    for number in range(upto):
        yield number


async def context_of(api: Api, owner: Person, **how: Any) -> tuple[RouteContext, dict[str, Any]]:
    made = await make_key(api, owner)
    return RouteContext(api.services, made["key"], await authenticate_key(api.services, made["key"]), **how), made


def test_a_route_says_by_its_signature_what_it_takes() -> None:
    @route("POST", "/things/{id}", "SALES_READ", status=201, media_types=("text/csv",))
    async def thing(ctx: RouteContext, id: str, query: Wanted, body: Wanted, upload: Upload) -> Download:
        raise NotImplementedError

    made = route_of(thing)
    assert made == Route(thing, "POST", "/things/{id}", "SALES_READ", 201, ("text/csv",), Wanted, Wanted, True, ("id",), Download)
    assert route_of(numbers) is None


async def test_a_request_reads_what_it_has_written_and_tells_its_version(api: Api, owner: Person) -> None:
    committed: list[Version] = []
    ctx, _ = await context_of(api, owner, committed=committed.append)
    assert await ctx.query(count_categories) == 0
    await ctx.mutate(add_category, name="Tea")
    assert await ctx.query(count_categories) == 1
    assert len(committed) == 1


async def test_each_step_of_a_repeated_request_gives_its_first_result(api: Api, owner: Person) -> None:
    made = await make_key(api, owner)
    access = await authenticate_key(api.services, made["key"])

    async def sent() -> tuple[RouteContext, dict[str, Any]]:
        ctx = RouteContext(api.services, made["key"], access, idempotency_key="k")
        return ctx, await ctx.mutate(add_category, name="Tea")

    ctx, tea = await sent()
    # A step that fails leaves nothing, not even its place.
    with pytest.raises(ConflictError):
        await ctx.mutate(add_category, name="Cake", fail=True)
    cake = await ctx.mutate(add_category, name="Cake")
    ctx, again = await sent()
    assert [again, await ctx.mutate(add_category, name="Cake")] == [tea, cake]
    assert await ctx.query(count_categories) == 2


async def test_a_lost_snapshot_is_read_again_once(api: Api, owner: Person, mongod: MongoServer) -> None:
    await make_category(api, owner)
    ctx, _ = await context_of(api, owner)
    async with failing(mongod.uri, "find", times=3, errorCode=239):  # as often as one run asks for a snapshot
        assert await ctx.query(count_categories) == 1
    async with failing(mongod.uri, "find", errorCode=239):
        with pytest.raises(UnavailableError):
            await ctx.query(count_categories)


async def test_long_work_ends_when_its_key_is_revoked(api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx, made = await context_of(api, owner)
    assert [number async for number in ctx.stream(numbers, 3)] == [0, 1, 2]
    await api.data(REVOKE, {"id": made["apiKey"]["id"]}, caller=owner)
    await ctx.mutate(add_category, name="Tea")  # it was good a moment ago
    monkeypatch.setattr(routes, "RECHECKED_SECONDS", 0.0)
    with pytest.raises(UnauthenticatedError):
        await ctx.mutate(add_category, name="Cake")
    with pytest.raises(UnauthenticatedError):
        assert [number async for number in ctx.stream(numbers, 3)]
    assert await ctx.query(count_categories) == 1
