"""`verify_live`: a live result that is pushed equals what the same query then returns, and it did change."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.gql.api import LIMIT_SECONDS, Api, Person


async def verify_live(
    api: Api,
    selection: str,
    change: Callable[[], Awaitable[object]],
    *,
    caller: Person,
    variables: str = "",
    values: dict[str, Any] | None = None,
) -> None:
    """Watches a selection of `Query`, makes a change, and holds the last pushed result against a fresh query.

    Fails as well where the change changed nothing of it. `variables` declares those of `selection` (`($id: ID!)`), `values` gives them.
    """
    query, live = f"query {variables} {selection}", f"subscription {variables} {{ live {selection} }}"
    async with api.watch(live, values, caller=caller) as watching:
        before = watching.last["data"]["live"]
        assert before == (await api.execute(query, values, caller=caller))["data"]
        await change()
        after = (await api.execute(query, values, caller=caller))["data"]
        assert after != before, f"the change altered nothing of {selection}"
        async with asyncio.timeout(LIMIT_SECONDS):
            await watching.until(lambda: watching.last["data"]["live"] == after)
        await api.settle()
        assert watching.last["data"]["live"] == after
        assert watching.versions == sorted(set(watching.versions))
