"""The feed of one process: handing over, slow readers, lost streams, many at once, and every transport."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect

from datastore import feed as datastore_feed
from datastore.changes import Change
from datastore.errors import UnauthenticatedError
from datastore.feed import Stretch, catch_up, end_of, position_of
from datastore.scope import Scope
from datastore.versions import Version
from gql import feed
from gql.feed import Feed, Follower
from resolvers.services import Services
from tests.datastore.samples import category, stored
from tests.gql.api import Api, Person
from tests.gql.followers import FOLLOW, Followed, caught_up, following
from tests.gql.streams import BOTH, LIMIT_SECONDS, streamed
from tests.gql.tiny_service import until

CREATE = "mutation ($name: String!) { createProductCategory(input: { name: $name }) { id } }"


@pytest.fixture
async def owner(api: Api) -> Person:
    return await api.sign_up()


async def make(api: Api, owner: Person, name: str) -> str:
    id: str = (await api.data(CREATE, {"name": name}, caller=owner))["createProductCategory"]["id"]
    return id


async def make_many(api: Api, owner: Person, count: int, *, first: int = 0) -> list[str]:
    """Rows made by another program, all at once; their ids, in order."""
    scope = await api.scope_of(owner)
    assert scope is not None
    rows = [category(scope, name=str(first + number)) for number in range(count)]
    await stored(api.services.database, *rows)
    return [row.id for row in rows]


def told(followed: Followed) -> list[str]:
    return [change["id"] for change in followed.changes]


@pytest.mark.slow
async def test_a_thousand_changes_reach_a_slow_reader_each_once_and_in_order(
    api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BUFFERED_CHANGES", 50)
    monkeypatch.setattr(datastore_feed, "STRETCH_CHANGES", 100)
    async with following(api, owner, tables=["PRODUCT_CATEGORIES"]) as slow, following(api, owner) as fast:
        await caught_up(api, 2)
        slow.reading.clear()
        ids = [id for batch in range(10) for id in await make_many(api, owner, 100, first=100 * batch)]
        await api.settle()
        slow.reading.set()
        await slow.count(1000)
        await fast.count(1000)
        assert told(slow) == told(fast) == ids
        await caught_up(api, 2)
        ids += await make_many(api, owner, 1, first=1000)
        await slow.count(1001)
    assert told(slow) == ids


async def test_a_slow_reader_does_not_hold_up_those_who_catch_up(api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BUFFERED_CHANGES", 1)
    start = (await api.execute(CREATE, {"name": "start"}, caller=owner))["extensions"]["version"]
    ids = await make_many(api, owner, 50)
    async with (
        following(api, owner, after=start) as first,
        following(api, owner, after=start) as second,
        following(api, owner, after=start) as third,
    ):
        for slow in (first, second):
            slow.reading.clear()
        await third.count(50)
        assert told(third) == ids
        for slow in (first, second):
            slow.reading.set()
            await slow.count(50)
            assert told(slow) == ids


async def test_what_is_committed_during_a_stretch_comes_after_the_stretches_before_it(
    api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = (await api.execute(CREATE, {"name": "start"}, caller=owner))["extensions"]["version"]
    ids = await make_many(api, owner, 30)
    monkeypatch.setattr(datastore_feed, "STRETCH_CHANGES", 10)
    monkeypatch.setattr(datastore_feed, "_BATCH", 5)

    async def read_while_others_write(*arguments: Any) -> Stretch:
        stretch = await catch_up(*arguments)
        ids.extend(await make_many(api, owner, 1, first=len(ids)))
        await api.settle()
        return stretch

    monkeypatch.setattr(feed, "catch_up", read_while_others_write)
    async with following(api, owner, after=start) as followed:
        await followed.until(lambda: len(told(followed)) >= 33)
        await caught_up(api)
        await followed.count(len(ids))
    assert told(followed) == ids


async def test_a_lost_stream_loses_nothing(api: Api, owner: Person) -> None:
    ids: list[str] = []
    async with following(api, owner) as followed:
        await caught_up(api)
        for number in range(5):
            ids.append(await make(api, owner, f"before {number}"))
            await api.engine._stream.close()
            ids.append(await make(api, owner, f"meanwhile {number}"))
        await followed.count(10)
        await caught_up(api)
        ids.append(await make(api, owner, "after"))
        await followed.count(11)
    assert told(followed) == ids


async def test_a_lost_stream_is_no_reason_to_go_back_far(services: Services, scope: Scope) -> None:
    """An idle follower goes on from where the stream had come, not from the last change of its own, which may be long gone."""
    feed = Feed(services.database)
    feed.begin(Version(1 << 32))
    follower = Follower(scope)
    changes = feed.follow(follower, None)
    waiting = asyncio.ensure_future(anext(changes))
    await until(lambda: feed.listening)
    feed.take([change_of("acc_other", 5)])
    feed.begin(Version(9 << 32))
    assert follower.reached == position_of(change_of("acc_other", 5))
    waiting.cancel()
    await asyncio.wait({waiting})
    await changes.aclose()
    assert feed.listening == 0


def change_of(account_id: str, seconds: int) -> Change:
    row = {"account_id": account_id}
    return Change(Version(seconds << 32), "products", "prd", "insert", row, None, owner=account_id, token="82")


async def test_following_while_others_write_hands_over_without_gap_or_repetition(api: Api, owner: Person) -> None:
    start = (await api.execute(CREATE, {"name": "start"}, caller=owner))["extensions"]["version"]
    ids: list[str] = []
    followings: list[list[str]] = []
    enough = asyncio.Event()

    async def write() -> None:
        while not enough.is_set():
            ids.append(await make(api, owner, f"{len(ids)}"))

    writing = asyncio.create_task(write())
    async with asyncio.timeout(LIMIT_SECONDS):
        for _ in range(5):
            so_far = len(ids)
            async with following(api, owner, after=start) as followed:
                await followed.count(so_far + 10)
            followings.append(told(followed))
    enough.set()
    await writing
    assert [ids[: len(each)] for each in followings] == followings


async def test_the_end_of_a_session_drops_what_was_not_taken(scope: Scope) -> None:
    follower = Follower(scope)
    follower.listen()
    assert follower.offer(change_of(scope.account_id, 1))
    follower.end(UnauthenticatedError())
    with pytest.raises(UnauthenticatedError):
        await follower.next()


async def test_a_full_buffer_is_drained_before_it_ends(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BUFFERED_CHANGES", 2)
    follower = Follower(scope)
    follower.listen()
    assert [follower.offer(change_of(scope.account_id, seconds)) for seconds in (1, 2, 3)] == [True, True, False]
    follower.end_buffer(end_of(Version(0)))
    assert [await follower.next() is not None for _ in range(3)] == [True, True, False]


async def test_followers_count_among_what_a_user_watches(api: Api, owner: Person) -> None:
    before = api.engine.subscribers
    async with following(api, owner):
        await caught_up(api)
        assert api.engine.subscribers == before + 1
    assert api.engine.subscribers == before
    assert api.service.feed.listening == 0


@asynccontextmanager
async def over_a_websocket(url: str, owner: Person) -> AsyncIterator[Any]:
    """The payloads of a subscription to changes, as a function that waits for the next."""
    address = url.replace("http", "ws") + "/graphql"
    async with connect(address, subprotocols=["graphql-transport-ws"], compression=None) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {owner.access_token}"}}))
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": FOLLOW}}))

        async def result() -> Any:
            async with asyncio.timeout(LIMIT_SECONDS):
                while (message := json.loads(await socket.recv()))["type"] != "next":
                    pass
                return message["payload"]

        yield result


async def test_a_websocket_carries_changes(live_server: str, api: Api, owner: Person) -> None:
    async with over_a_websocket(live_server, owner) as result:
        await caught_up(api)
        made = await make(api, owner, "Tea")
        assert (await result())["data"]["changes"]["id"] == made


@pytest.mark.parametrize("accept", BOTH)
async def test_http_carries_changes_and_resumes_them(live_server: str, api: Api, owner: Person, accept: str) -> None:
    authorization = f"Bearer {owner.access_token}"
    async with streamed(live_server, FOLLOW, accept, authorization=authorization) as received:
        await caught_up(api)
        first = await make(api, owner, "1")
        await received.count(1)
    change = received.results[0]["data"]["changes"]
    second = await make(api, owner, "2")
    async with streamed(live_server, FOLLOW, accept, authorization=authorization, variables={"after": change["cursor"]}) as again:
        await again.count(1)
    assert [change["id"], again.results[0]["data"]["changes"]["id"]] == [first, second]
    async with streamed(live_server, FOLLOW, accept, authorization=authorization, variables={"after": "x"}) as refused:
        await refused.end()
        assert refused.completed
        assert refused.results[-1]["errors"][0]["extensions"]["code"] == "INVALID_INPUT"
