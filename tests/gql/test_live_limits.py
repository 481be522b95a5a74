"""Live operations under strain: a lost stream, a silent one, a failing database, reconnecting clients, limits, expiring rights."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from datastore.changes import Change, StreamLostError
from datastore.errors import RateLimitedError, UnavailableError
from datastore.read_set import ReadSet
from datastore.versions import Version, to_wire
from gql import live
from gql.change_log import ChangeLog
from gql.dirty import DirtyQueue
from gql.live_contracts import Limits, Outcome
from gql.rights import Authorization
from gql.subscribers import Known, Subscriber, frame_of
from gql.wire import Caller, GraphQLParams
from tests.gql.api import Api, Person

CREATE = 'mutation ($n: String!) { createProduct(input: {name: $n, price: "1.00"}) { id } }'
ADJUST = 'mutation ($id: ID!) { adjustStock(input: {productId: $id, delta: 1, reason: ""}) { id } }'
STOCKS = "subscription { live { products(first: 5) { nodes { stock } } } }"
RECONNECT = "subscription ($known: KnownResult) { live(known: $known) { products(first: 5) { nodes { stock } } } }"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STALE_SECONDS", 0.2)
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(live, "SILENCE_SECONDS", 0.5)


def stock(result: dict[str, Any]) -> int:
    number: int = result["data"]["live"]["products"]["nodes"][0]["stock"]
    return number


def is_stale(result: dict[str, Any]) -> bool:
    return result["extensions"]["live"].get("stale") is True


def known(result: dict[str, Any]) -> dict[str, str]:
    told = result["extensions"]["live"]
    return {"version": told["version"], "hash": told["hash"]}


# --- healing ---


async def test_while_the_stream_is_down_results_say_that_they_may_be_stale_and_readiness_fails(
    api: Api, ada: Person, product: str, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse() -> Version:
        raise StreamLostError("no server")

    async with api.watch(STOCKS, caller=ada) as watching:
        with monkeypatch.context() as broken:
            broken.setattr(api.engine._stream, "open", refuse)
            await api.engine._stream.close()
            await watching.until(lambda: is_stale(watching.last))
            assert not api.engine.ready
            assert stock(watching.last) == 0
            stale_results = len(watching.results)
            await api.data(ADJUST, {"id": product}, caller=ada)
        await watching.until(lambda: not is_stale(watching.last))
        await api.settle()
        assert stock(watching.last) == 1
        assert sum(map(is_stale, watching.results)) == 1 == stale_results - 1
        assert api.engine.ready


async def test_a_result_that_was_called_stale_is_called_fresh_again_though_it_is_the_same(
    api: Api, ada: Person, product: str, impatient: None
) -> None:
    async with api.watch(STOCKS, caller=ada) as watching:
        [run] = api.engine._runs
        api.engine._tell_stale(run)
        api.engine._tell_stale(run)
        await watching.count(2)
        await api.engine._stream.close()
        await watching.count(3)
        assert [is_stale(result) for result in watching.results] == [False, True, False]


async def test_a_stream_that_is_open_and_silent_is_noticed_and_replaced(
    api: Api, ada: Person, product: str, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never() -> list[Change]:
        silent.set()
        await closed.wait()
        raise StreamLostError("closed")

    silent, closed, close = asyncio.Event(), asyncio.Event(), api.engine._stream.close

    async def close_and_note() -> None:
        closed.set()
        await close()

    async with api.watch(STOCKS, caller=ada) as watching:
        opened = api.engine.counters.streams_opened
        with monkeypatch.context() as dead:
            dead.setattr(api.engine._stream, "next_batch", never)
            dead.setattr(api.engine._stream, "close", close_and_note)
            await api.data(ADJUST, {"id": product}, caller=ada)
            await asyncio.wait_for(silent.wait(), 10)
            await api.data(ADJUST, {"id": product}, caller=ada)
            await asyncio.wait_for(closed.wait(), 10)
        await watching.until(lambda: stock(watching.last) == 2)
        assert api.engine.counters.streams_opened > opened


async def test_a_database_that_fails_for_longer_makes_its_results_stale(
    api: Api, ada: Person, product: str, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> Outcome:
        raise UnavailableError("gone")

    async with api.watch(STOCKS, caller=ada) as watching:
        with monkeypatch.context() as broken:
            broken.setattr(api.engine, "_execute", fail)
            await api.data(ADJUST, {"id": product}, caller=ada)
            await watching.until(lambda: is_stale(watching.last))
        await watching.until(lambda: not is_stale(watching.last) and stock(watching.last) == 1)


# --- reconnecting ---


async def test_a_reconnecting_client_is_not_sent_what_it_has(api: Api, ada: Person, product: str) -> None:
    async with api.watch(STOCKS, caller=ada) as first:
        has = known(first.last)
    async with api.watch(RECONNECT, {"known": has}, caller=ada, expect_first=False) as again:
        await api.settle()
        assert again.results == []
        await api.data(ADJUST, {"id": product}, caller=ada)
        await again.count(1)
        assert stock(again.last) == 1


async def test_a_reconnecting_client_is_sent_what_changed_meanwhile(api: Api, ada: Person, product: str) -> None:
    async with api.watch(STOCKS, caller=ada) as first:
        has = known(first.last)
    await api.data(ADJUST, {"id": product}, caller=ada)
    async with api.watch(RECONNECT, {"known": has}, caller=ada) as again:
        assert stock(again.last) == 1


async def test_who_reconnects_shares_the_execution_of_who_did_not(api: Api, ada: Person, product: str) -> None:
    async with api.watch(STOCKS, caller=ada) as first:
        await api.settle()
        async with api.watch(RECONNECT, {"known": known(first.last)}, caller=ada, expect_first=False):
            await api.settle()
            assert api.engine.distinct_operations == 1


async def test_a_version_of_another_cluster_or_of_the_future_is_no_obstacle(api: Api, ada: Person, product: str) -> None:
    future = {"version": to_wire(Version((1 << 63) - 1)), "hash": "0" * 32}
    async with api.watch(RECONNECT, {"known": future}, caller=ada) as watching:
        assert stock(watching.last) == 0


@pytest.mark.parametrize(
    "bad", [{"version": "x", "hash": "0" * 32}, {"version": "0" * 16, "hash": "zz"}, {"version": "0" * 16, "hash": "é" * 32}]
)
async def test_a_result_that_nobody_was_sent_is_invalid_input(api: Api, ada: Person, bad: dict[str, str]) -> None:
    async with api.watch(RECONNECT, {"known": bad}, caller=ada) as watching:
        assert watching.last["errors"][0]["extensions"]["code"] == "INVALID_INPUT"


async def test_a_floor_is_kept_by_a_run_that_others_watch_already(api: Api, ada: Person, product: str) -> None:
    async with api.watch(STOCKS, caller=ada) as watching:
        await api.settle()
        [run] = api.engine._runs
        now = await api.services.database.ping()
        late = api.engine.watch(run.plan, Known(now, b"\0" * 16))
        frame = await anext(late)
        assert frame.version >= now
        await late.aclose()
        assert len(watching.results) == 1


# --- limits and load ---


async def test_one_user_may_watch_so_many_operations_and_is_told(api: Api, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.engine, "_limits", Limits(per_user=2, per_process=100))
    async with api.watch(STOCKS, caller=ada), api.watch(STOCKS, caller=ada):
        async with api.watch(STOCKS, caller=ada) as third:
            assert third.last["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        async with api.watch(STOCKS, caller=await api.sign_up()) as another:
            assert "errors" not in another.last
    async with api.watch(STOCKS, caller=ada) as free_again:
        assert "errors" not in free_again.last


async def test_strangers_at_one_address_may_watch_so_many_operations_together(
    api: Api, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a process watches is then not theirs: who is signed in still watches."""
    monkeypatch.setattr(api.engine, "_limits", Limits(per_user=100, per_process=3, per_network=2))
    params = GraphQLParams("subscription { live { viewer { id } } }")

    async with AsyncExitStack() as stack:
        answers = []
        for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3"):
            stranger = Caller(None, "test", address=address)
            payloads = await stack.enter_async_context(aclosing(api.service.subscribe(api.service.prepare(params), params, stranger)))
            answers.append(json.loads((await anext(payloads)).body))
        assert ["errors" in answer for answer in answers] == [False, False, True]
        assert answers[2]["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        watching = await stack.enter_async_context(api.watch(STOCKS, caller=ada))
        assert "errors" not in watching.last


async def test_a_process_watches_so_many_operations_and_says_so(api: Api, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.engine, "_limits", Limits(per_user=100, per_process=1))
    async with api.watch(STOCKS, caller=ada), api.watch(STOCKS, caller=await api.sign_up()) as second:
        assert second.last["errors"][0]["extensions"]["code"] == "UNAVAILABLE"


async def test_many_changes_of_one_operation_coalesce(api: Api, ada: Person, product: str, monkeypatch: pytest.MonkeyPatch) -> None:
    execute, gate = api.service.execute_live, asyncio.Event()
    async with api.watch(STOCKS, caller=ada) as watching:
        await api.settle()
        runs = api.engine.counters.runs

        async def execute_when_told(*arguments: Any) -> Outcome:
            await gate.wait()
            return await execute(*arguments)

        monkeypatch.setattr(api.engine, "_execute", execute_when_told)
        for _ in range(20):
            await api.data(ADJUST, {"id": product}, caller=ada)
        gate.set()
        await watching.until(lambda: stock(watching.last) == 20)
        await api.settle()
        assert api.engine.counters.runs - runs <= 2


async def test_what_a_narrow_change_woke_does_not_wait_behind_thousands() -> None:
    queue: DirtyQueue[str] = DirtyQueue()
    for number in range(1000):
        queue.put(f"wide {number}", wide=True)
    queue.put("narrow")
    assert await queue.get(wide_first=False) == "narrow"
    assert await queue.get(wide_first=True) == "wide 0"
    assert await queue.get(wide_first=False) == "wide 1"
    queue.put("another")
    assert await queue.get(wide_first=True) == "wide 2"
    assert len(queue) == 998


async def test_a_worker_waits_until_something_is_due() -> None:
    queue: DirtyQueue[str] = DirtyQueue()
    waiting = asyncio.create_task(queue.get(wide_first=True))
    queue.put("narrow")
    assert await waiting == "narrow"


async def test_a_subscriber_keeps_one_result_and_gives_up_the_rest() -> None:
    subscriber = Subscriber(None, None)
    for number in range(3):
        subscriber.offer(frame_of(b'{"data":%d}' % number, has_data=True, version=Version(number), digest=bytes([number]) * 16))
    assert (await subscriber.next()).version == 2
    subscriber.end(RateLimitedError("enough", 1))
    with pytest.raises(RateLimitedError):
        await subscriber.next()


def deletion(number: int) -> Change:
    """At time 10 + number, the end of the product of that number."""
    return Change(Version(10 + number), "products", f"prd_{number}", "delete", None, None)


def test_the_log_of_changes_is_bounded_and_says_when_it_no_longer_tells() -> None:
    log, read_set = ChangeLog(most=3), ReadSet()
    log.begin(Version(10))
    assert log.may_have_changed(Version(9), read_set)
    assert not log.may_have_changed(Version(10), read_set)
    read_set.saw("prd_1")
    with log.keeping(Version(10)):
        for number in (1, 2, 3):
            log.add(deletion(number))
        assert log.may_have_changed(Version(10), read_set)
        assert not log.may_have_changed(Version(11), read_set)
        log.add(deletion(4))
        assert log.may_have_changed(Version(10), ReadSet())
        assert not log.may_have_changed(Version(11), ReadSet())


def test_the_log_of_changes_keeps_what_a_run_under_way_may_ask_for_and_no_more() -> None:
    log, read_set = ChangeLog(), ReadSet()
    log.begin(Version(10))
    read_set.saw("prd_2")
    log.add(deletion(1))
    assert log.may_have_changed(Version(10), ReadSet()), "what was not kept may be anything"
    assert not log.may_have_changed(Version(11), ReadSet())
    with log.keeping(Version(11)):
        log.add(deletion(2))
        with log.keeping(Version(12)):
            log.add(deletion(3))
            assert log.kept == 2
        assert log.kept == 2
        assert log.may_have_changed(Version(11), read_set)
        with log.keeping(Version(12)):
            assert not log.may_have_changed(Version(12), read_set)
    assert log.kept == 0
    assert not log.may_have_changed(Version(13), ReadSet())
    assert log.may_have_changed(Version(12), ReadSet())


# --- rights ---


@pytest.fixture
def authorizations(api: Api, monkeypatch: pytest.MonkeyPatch) -> list[timedelta]:
    """What is left of each access token: the last entry counts."""
    left: list[timedelta] = [timedelta(hours=1)]
    authorize = api.service.authorize_session

    async def authorize_for_so_long(session_id: str, floor: Version) -> Authorization | None:
        found = await authorize(session_id, floor)
        return None if found is None else replace(found, until=datetime.now(UTC) + left[-1])

    monkeypatch.setattr(api.engine._sessions, "_authorize", authorize_for_so_long)
    return left


async def test_an_expired_token_ends_what_is_watched_within_a_second(api: Api, ada: Person, authorizations: list[timedelta]) -> None:
    authorizations.append(timedelta(seconds=0.2))
    async with api.watch(STOCKS, caller=ada) as watching:
        authorizations.append(timedelta(seconds=-1))
        await watching.count(2)
        [error] = watching.last["errors"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
        assert "expired" in error["message"]


async def test_a_session_that_is_refreshed_in_time_goes_on_and_nothing_runs_again(
    api: Api, ada: Person, authorizations: list[timedelta]
) -> None:
    authorizations.append(timedelta(seconds=0.1))
    async with api.watch(STOCKS, caller=ada) as watching:
        authorizations.append(timedelta(hours=1))
        runs = api.engine.counters.runs
        [session_id] = api.engine._sessions._deadlines
        async with asyncio.timeout(5):
            while api.engine._sessions._deadlines[session_id].when() - asyncio.get_running_loop().time() < 60:
                await asyncio.sleep(0.01)
        assert api.engine.counters.runs == runs
        assert len(watching.results) == 1


async def test_a_role_that_changes_ends_what_was_watched_with_the_old_one(api: Api, ada: Person) -> None:
    async with api.watch(STOCKS, caller=ada) as watching:
        update = {"update": "sessions", "updates": [{"q": {"user_id": ada.user_id}, "u": {"$set": {"role": "STAFF"}}}]}
        await api.services.database.command(update)
        await watching.count(2)
        assert watching.last["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@asynccontextmanager
async def socket_of(live_server: str, person: Person) -> AsyncIterator[Any]:
    """A function that carries an operation out over one websocket."""
    url = live_server.replace("http", "ws", 1) + "/graphql"
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {person.access_token}"}}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"

        async def ask(query: str, variables: dict[str, Any] | None = None) -> Any:
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query, "variables": variables}}))
            answer = json.loads(await socket.recv())
            if answer["type"] == "next":
                assert json.loads(await socket.recv())["type"] == "complete"
                return answer["payload"].get("errors") or answer["payload"]
            return answer["payload"]

        yield ask


async def test_nothing_runs_on_a_socket_whose_session_has_ended(live_server: str, api: Api, ada: Person) -> None:
    async with socket_of(live_server, ada) as ask:
        assert "data" in await ask("{ settings { currency } }")
        await api.data("mutation { signOut }", caller=ada)
        assert (await ask(CREATE, {"n": "Late"}))[0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_who_was_given_another_role_watches_nothing_more_on_an_older_socket(api: Api, ada: Person) -> None:
    """Also while the same session, as it is now, watches something on another."""
    before = Caller(await api.scope_of(ada), "test", just_authenticated=False)
    update = {"update": "sessions", "updates": [{"q": {"user_id": ada.user_id}, "u": {"$set": {"role": "STAFF"}}}]}
    await api.services.database.command(update)
    params = GraphQLParams("subscription { live { balance } }")
    async with api.watch(STOCKS, caller=ada) as watching:
        async with aclosing(api.service.subscribe(api.service.prepare(params), params, before)) as payloads:
            first = json.loads((await anext(payloads)).body)
        assert first["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        await api.settle()
        assert len(watching.results) == 1
