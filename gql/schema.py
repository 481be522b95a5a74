"""The schema, assembled from what the modules of `resolvers` mark as theirs."""

import inspect
from collections.abc import AsyncGenerator
from types import ModuleType
from typing import Annotated, Any, cast

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type
from strawberry.types.field import StrawberryField

from resolvers import MODULES, SCALARS
from resolvers.changes import changes
from resolvers.functions import Marking, marking_of, root_field
from resolvers.nodes import node_types


def marked_functions(module: ModuleType) -> list[tuple[Any, Marking]]:
    """The functions that a module itself marks (not those it imports), in the order it defines them."""
    found = []
    for value in vars(module).values():
        marking = marking_of(value)
        if marking is not None and value.__module__ == module.__name__:
            found.append((value, marking))
    return found


def build_schema() -> strawberry.Schema:
    """The whole schema: `Query`, `Mutation`, and `Subscription`, whose `live` is all of `Query`."""
    functions = [marked for module in MODULES for marked in marked_functions(module)]
    query: type = create_type(
        "Query",
        [root_field(function) for function, marking in functions if not marking.kind.writes],
        description="Everything that can be read, each request on one snapshot. All of it can be live, under `Subscription.live`.",
    )
    mutation: type = create_type(
        "Mutation",
        [root_field(function) for function, marking in functions if marking.kind.writes],
        description="Everything that can be changed. Each field is one transaction, all or nothing, but for those that say otherwise.",
    )
    return strawberry.Schema(
        query=query,
        mutation=mutation,
        subscription=_subscription(query),
        types=node_types(),
        config=StrawberryConfig(auto_camel_case=True, scalar_map=SCALARS),
    )


@strawberry.input(description="A result of a live operation that the client has: the `version` and the `hash` of its `extensions.live`.")
class KnownResult:
    """What a reconnecting client has."""

    version: str = strawberry.field(description="Its version.")
    hash: str = strawberry.field(description="Its hash.")


def _subscription(query: type) -> type:
    async def live(
        known: Annotated[KnownResult | None, strawberry.argument(description="On reconnecting: the last result that you have.")] = None,
    ) -> AsyncGenerator[Any, None]:
        """Any selection of `Query`, sent again whenever a committed change alters it.

        Each result comes from one snapshot, never from an older one than the last. `extensions.live` tells its `version`: a result whose
        version is not less than a mutation's `extensions.version` contains that mutation. Its `hash`, given back as `known`,
        saves sending it again after reconnecting. `stale: true` says that the server can't tell at present whether the result still holds.
        """
        del known
        yield query()

    live.__annotations__["return"] = AsyncGenerator[query, None]  # type: ignore[valid-type]
    field: StrawberryField = strawberry.subscription(resolver=cast("Any", live), description=inspect.getdoc(live))
    subscription: type = create_type(
        "Subscription",
        [field, strawberry.subscription(resolver=cast("Any", changes), description=inspect.getdoc(changes))],
        description="What is sent by itself: over the websocket subprotocol graphql-transport-ws, as server-sent events, or in parts.",
    )
    return subscription
