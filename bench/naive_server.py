"""Live lists as one writes them by the documentation: a Strawberry subscription that opens a change stream for each subscriber, and reads
the list again at each of its events.

On the driver's own asynchronous client (with Motor each stream would occupy one of its threads), on a pool without a limit (with the
default of 100 connections the streams would wait for each other), and with the change stream narrowed to the owner. `python -m
bench.naive_server URI DATABASE` listens on a free port, and answers every line of its input with that port.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from typing import Any

import strawberry
import uvloop
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from strawberry.asgi import GraphQL

from bench.raw_server import answer_with_port, serve
from gql.serving import bind


@strawberry.type
class Product:
    """What the benchmark's operation selects."""

    id: strawberry.ID
    name: str
    price: str
    stock: int


@strawberry.type
class Query:
    """A schema must have one."""

    here: bool = True


def schema_on(products: AsyncCollection[dict[str, Any]]) -> strawberry.Schema:
    """The schema, on a collection."""

    async def first_twenty(account_id: str) -> list[Product]:
        rows = products.find({"account_id": account_id, "archived": False}).sort([("name_key", 1), ("_id", 1)]).limit(20)
        return [
            Product(id=strawberry.ID(row["_id"]), name=row["name"], price=f"{row['price_minor'] / 100:.2f}", stock=row["stock"])
            async for row in rows
        ]

    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def products(self, account_id: str) -> AsyncGenerator[list[Product], None]:
            pipeline = [{"$match": {"fullDocument.account_id": account_id}}]
            async with await products.watch(pipeline, full_document="updateLookup") as stream:
                yield await first_twenty(account_id)
                async for _ in stream:
                    yield await first_twenty(account_id)

    return strawberry.Schema(query=Query, subscription=Subscription)


async def main() -> None:
    """The naive server."""
    uri, database = sys.argv[1:]
    async with AsyncMongoClient[dict[str, Any]](uri, maxPoolSize=None, appname="naive") as client:
        listening = bind("127.0.0.1", 0)
        answering = asyncio.create_task(answer_with_port(listening))
        try:
            endpoint: Any = GraphQL(schema_on(client[database]["products"]))
            await serve(Starlette(routes=[WebSocketRoute("/", endpoint)]), listening)
        finally:
            answering.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
