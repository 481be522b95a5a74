import asyncio
import gc
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from bson import SON, Int64, encode
from bson.raw_bson import RawBSONDocument
from pymongo.uri_parser import parse_uri

from datastore.changes import MAX_AWAIT_MS, Change, ChangeStream, StreamLostError, time_of_token
from datastore.database import Database, version_from
from datastore.embedded import MongoServer
from datastore.versions import BEGINNING, Version, version_of
from tests.network import TcpProxy, tcp_proxy

LIMIT_SECONDS = 15
TABLE = "product_categories"
APP_NAME = "change-stream-tests"


@pytest.fixture
async def database(mongod: MongoServer) -> AsyncIterator[Database]:
    """A database of its own, without validators: these tests drop collections and store what the application never would."""
    # By a name of its own, a fail point meets this stream, and not that of a live engine which may run beside it.
    database = await Database.connect(f"{mongod.uri}&appName={APP_NAME}", "change_stream_tests")
    await database.command({"dropDatabase": 1})
    await database.command({"create": TABLE})
    await database.command({"create": "undeclared"})
    yield database
    await database.command({"dropDatabase": 1})
    await database.close()


@pytest.fixture
async def stream(database: Database) -> AsyncIterator[ChangeStream]:
    """An open change stream."""
    stream = ChangeStream(database)
    await stream.open()
    yield stream
    await stream.close()


async def insert(database: Database, *ids: str, table: str = TABLE, **columns: object) -> Version:
    """Insert rows; the version at which they were there."""
    reply = await database.command({"insert": table, "documents": [{"_id": id, **columns} for id in ids]})
    return version_from(reply["operationTime"])


async def update(database: Database, id: str, change: object) -> None:
    await database.command({"update": TABLE, "updates": [{"q": {"_id": id}, "u": change}]})


async def delete(database: Database, id: str) -> None:
    await database.command({"delete": TABLE, "deletes": [{"q": {"_id": id}, "limit": 1}]})


async def in_a_transaction(database: Database, *commands: dict[str, Any]) -> Version:
    """Run the commands as one transaction; the version of its commit."""
    session = await database.start_session()
    async with session:
        session.start_transaction()
        for command in commands:
            await database.command(command, session=session)
        await session.commit_transaction()
        return version_from(session.delegate.operation_time)


async def received(stream: ChangeStream, count: int) -> list[Change]:
    """The next `count` changes, in as many batches as they come."""
    changes: list[Change] = []
    async with asyncio.timeout(LIMIT_SECONDS):
        while len(changes) < count:
            changes += await stream.next_batch()
    return changes


async def lost(stream: ChangeStream) -> str:
    """The reason for which the stream is lost, after whatever it still gives out."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            try:
                await stream.next_batch()
            except StreamLostError as error:
                return str(error)


async def test_every_kind_of_change_comes_in_order_with_the_row_as_it_is(database: Database, stream: ChangeStream) -> None:
    times = [await insert(database, "pct_1", name="Tea", position=1)]
    first = await received(stream, 1)
    await update(database, "pct_1", {"$set": {"position": 2}})
    second = await received(stream, 1)
    await update(database, "pct_1", {"name": "Coffee"})
    third = await received(stream, 1)
    await delete(database, "pct_1")
    fourth = await received(stream, 1)

    changes = [*first, *second, *third, *fourth]
    assert [(change.table, change.id, change.kind) for change in changes] == [
        (TABLE, "pct_1", kind) for kind in ("insert", "update", "replace", "delete")
    ]
    assert [change.row for change in changes] == [
        {"_id": "pct_1", "name": "Tea", "position": 1},
        {"_id": "pct_1", "name": "Tea", "position": 2},
        {"_id": "pct_1", "name": "Coffee"},
        None,
    ]
    assert [change.fields for change in changes] == [None, frozenset({"position"}), None, None]
    assert changes[0].time == times[0]
    assert [change.time for change in changes] == sorted({change.time for change in changes})


async def test_every_way_to_change_a_column_names_the_column(database: Database, stream: ChangeStream) -> None:
    await insert(database, "pct_1", removed=1, inner={"a": {"b": 1}}, emptied={"a": 1}, items=list(range(200)), array=[{"n": 1}], kept=1)
    await update(database, "pct_1", {"$set": {"inner.a.b": 2, "array.0.n": 2}, "$unset": {"removed": 1, "emptied.a": 1}})
    await update(database, "pct_1", [{"$set": {"items": {"$slice": ["$items", 150]}}}])

    changes = await received(stream, 3)

    assert changes[1].fields == frozenset({"removed", "inner", "emptied", "array"})
    assert changes[2].fields == frozenset({"items"})


async def test_nothing_after_the_moment_of_opening_is_missed_and_nothing_before_comes(database: Database) -> None:
    await insert(database, "pct_before")
    async with AsyncExitStack() as stack:
        stream = ChangeStream(database)
        opened = await stream.open()
        stack.push_async_callback(stream.close)
        assert stream.position == opened
        await insert(database, "pct_after")

        changes = await received(stream, 1)

    assert [change.id for change in changes] == ["pct_after"]
    assert changes[0].time > opened


async def test_what_is_written_while_the_stream_is_being_opened_is_not_missed(database: Database) -> None:
    written: dict[str, Version] = {}

    async def write() -> None:
        for n in range(10_000):
            written[f"pct_{n}"] = await insert(database, f"pct_{n}")

    async with AsyncExitStack() as stack:
        writer = asyncio.ensure_future(write())
        stack.push_async_callback(asyncio.wait, [writer])
        stack.callback(writer.cancel)
        for _ in range(10):
            stream = ChangeStream(database)
            stack.push_async_callback(stream.close)
            opened = await stream.open()
            given = {change.id for change in await received(stream, 20)}
            last = stream.position
            assert {id for id, version in written.items() if opened < version <= last} <= given


async def test_a_transaction_comes_in_one_batch_at_the_time_of_its_commit(database: Database, stream: ChangeStream) -> None:
    ids = [f"pct_{n}" for n in range(300)]
    inserts = {"insert": TABLE, "documents": [{"_id": id} for id in ids]}
    updates = {"update": TABLE, "updates": [{"q": {"_id": ids[0]}, "u": {"$set": {"name": "Tea"}}}]}

    committed = await in_a_transaction(database, inserts, updates)
    async with asyncio.timeout(LIMIT_SECONDS):
        changes = await stream.next_batch()

    assert [change.id for change in changes] == [*ids, ids[0]]
    assert {change.time for change in changes} == {committed}


async def test_the_position_never_runs_ahead_of_a_transaction_larger_than_a_batch(database: Database, stream: ChangeStream) -> None:
    rows = [{"_id": f"pct_{n:02}", "description": "x" * (1 << 20)} for n in range(24)]
    halves = [{"insert": TABLE, "documents": half} for half in (rows[:12], rows[12:])]

    committed = await in_a_transaction(database, *halves)
    ids: list[str] = []
    batches = 0
    async with asyncio.timeout(LIMIT_SECONDS):
        while len(ids) < len(rows):
            assert stream.position < committed
            ids += [change.id for change in await stream.next_batch()]
            batches += 1

    assert ids == [row["_id"] for row in rows]
    assert batches > 1
    await insert(database, "pct_later")
    await received(stream, 1)
    assert stream.position > committed


async def test_the_position_follows_what_is_given_out(database: Database, stream: ChangeStream) -> None:
    await insert(database, "pct_1")
    (change,) = await received(stream, 1)

    assert stream.position == change.time


async def test_the_position_of_a_quiet_stream_follows_the_server(database: Database, stream: ChangeStream) -> None:
    waiting = asyncio.ensure_future(stream.next_batch())
    written = await insert(database, "row_1", table="undeclared")

    async with asyncio.timeout(LIMIT_SECONDS):
        while stream.position < written:
            await asyncio.sleep(0.01)

    assert not waiting.done()
    await insert(database, "pct_1")
    assert [change.id for change in await waiting] == ["pct_1"]


async def test_a_row_that_is_gone_when_it_is_looked_up_is_none(database: Database) -> None:
    before = await database.ping()
    await insert(database, "pct_1")
    await update(database, "pct_1", {"$set": {"name": "Tea"}})
    await delete(database, "pct_1")
    stream = ChangeStream(database)
    await stream.open(before)

    _, updated, deleted = await received(stream, 3)

    await stream.close()
    assert (updated.kind, updated.row, updated.fields) == ("update", None, frozenset({"name"}))
    assert (deleted.kind, deleted.row) == ("delete", None)


async def test_a_call_that_is_cancelled_loses_nothing(database: Database, stream: ChangeStream) -> None:
    for n in range(20):
        waiting = asyncio.ensure_future(stream.next_batch())
        await asyncio.sleep(0)
        await insert(database, f"pct_{n}")
        waiting.cancel()
        given = await asyncio.gather(waiting, return_exceptions=True)
        changes = given[0] if isinstance(given[0], list) else await received(stream, 1)
        assert [change.id for change in changes] == [f"pct_{n}"]


@pytest.mark.parametrize(
    "command",
    [
        {"drop": TABLE},
        {"renameCollection": f"change_stream_tests.{TABLE}", "to": "change_stream_tests.elsewhere"},
        {"renameCollection": "change_stream_tests.undeclared", "to": f"change_stream_tests.{TABLE}", "dropTarget": True},
        {"dropDatabase": 1},
    ],
    ids=["dropped", "renamed away", "replaced by another", "dropped with its database"],
)
async def test_a_table_that_vanishes_ends_the_stream(mongod: MongoServer, database: Database, command: dict[str, Any]) -> None:
    stream = ChangeStream(database)
    await stream.open()
    admin = await Database.connect(mongod.uri, "admin")

    await (admin if "renameCollection" in command else database).command(command)

    assert "has ended" in await lost(stream)
    await stream.close()
    await admin.close()


async def test_what_happens_to_other_collections_does_not_end_the_stream(database: Database, stream: ChangeStream) -> None:
    await insert(database, "row_1", table="undeclared")
    await database.command({"createIndexes": TABLE, "indexes": [{"key": {"name": 1}, "name": "by_name"}]})
    await database.command({"drop": "undeclared"})
    await insert(database, "pct_1")

    assert [change.id for change in await received(stream, 1)] == ["pct_1"]


async def test_a_stream_can_be_opened_again_after_it_was_lost(database: Database) -> None:
    stream = ChangeStream(database)
    first = await stream.open()
    await database.command({"drop": TABLE})
    await lost(stream)

    assert await stream.open() > first
    await insert(database, "pct_1")
    assert [change.id for change in await received(stream, 1)] == ["pct_1"]
    await stream.close()


async def test_a_row_that_python_cannot_hold_ends_the_stream_and_not_the_next_one(database: Database, stream: ChangeStream) -> None:
    # A date in the year 292,278,994, as any other driver may store it: type 9, the name "on", milliseconds.
    date_of_another_driver = b"\x09on\x00" + (2**63 - 1).to_bytes(8, "little")
    id = encode({"_id": "pct_1"})[4:-1]
    size = (4 + len(id) + len(date_of_another_driver) + 1).to_bytes(4, "little")
    await database.command(SON(insert=TABLE, documents=[RawBSONDocument(size + id + date_of_another_driver + b"\x00")]))

    assert "has ended" in await lost(stream)
    await stream.open()
    await insert(database, "pct_2")
    assert [change.id for change in await received(stream, 1)] == ["pct_2"]


@pytest.mark.parametrize(
    ("code", "meaning"),
    [(286, "ChangeStreamHistoryLost"), (280, "ChangeStreamFatalError"), (136, "CappedPositionLost"), (10334, "BSONObjectTooLarge")],
)
@pytest.mark.faults
async def test_a_server_that_cannot_go_on_ends_the_stream(
    mongod: MongoServer, database: Database, stream: ChangeStream, code: int, meaning: str
) -> None:
    admin = await Database.connect(mongod.uri, "admin")
    await fail(admin, times=1, errorCode=code)
    try:
        assert str(code) in await lost(stream), meaning
    finally:
        await admin.command({"configureFailPoint": "failCommand", "mode": "off"})
        await admin.close()


@pytest.mark.parametrize("reason", [{"closeConnection": True}, {"errorCode": 189, "errorLabels": ["ResumableChangeStreamError"]}])
@pytest.mark.faults
async def test_a_short_interruption_loses_nothing(
    mongod: MongoServer, database: Database, stream: ChangeStream, reason: dict[str, Any]
) -> None:
    await insert(database, "pct_1")
    await received(stream, 1)
    admin = await Database.connect(mongod.uri, "admin")
    await fail(admin, times=1, **reason)
    await insert(database, "pct_2", "pct_3")

    assert [change.id for change in await received(stream, 2)] == ["pct_2", "pct_3"]
    await admin.close()


async def fail(admin: Database, *, times: int, **how: object) -> None:
    """Let the next requests of these tests for more of a cursor fail."""
    data = {"failCommands": ["getMore"], "appName": APP_NAME, **how}
    await admin.command({"configureFailPoint": "failCommand", "mode": {"times": times}, "data": data})


@pytest.fixture
def proxy(mongod: MongoServer) -> Iterator[TcpProxy]:
    """A proxy in front of the server."""
    host, port = parse_uri(mongod.uri)["nodelist"][0]
    assert port is not None
    with tcp_proxy(host, port) as proxy:
        yield proxy


@pytest.fixture
async def far_database(proxy: TcpProxy, database: Database) -> AsyncIterator[Database]:
    """The same database, seen through the proxy."""
    far = await Database.connect(f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true", database.name)
    yield far
    await far.close()


@pytest.mark.faults
async def test_a_connection_that_is_cut_loses_nothing(database: Database, far_database: Database, proxy: TcpProxy) -> None:
    stream = ChangeStream(far_database)
    await stream.open()
    waiting = asyncio.ensure_future(stream.next_batch())
    proxy.cut()
    await insert(database, "pct_1")

    assert [change.id for change in await waiting] == ["pct_1"]
    await stream.close()


@pytest.mark.faults
async def test_a_server_that_is_gone_ends_the_stream_until_it_is_back(database: Database, far_database: Database, proxy: TcpProxy) -> None:
    stream = ChangeStream(far_database, patience=0.5)
    await stream.open()
    proxy.cut(refuse=True)

    await lost(stream)
    with pytest.raises(StreamLostError):
        await stream.open()

    proxy.cut()
    opened = None
    async with asyncio.timeout(LIMIT_SECONDS):
        while opened is None:
            with suppress(StreamLostError):
                opened = await stream.open()
    await insert(database, "pct_1")
    assert [change.id for change in await received(stream, 1)] == ["pct_1"]
    await stream.close()


@pytest.mark.faults
async def test_a_server_that_falls_silent_ends_the_stream_within_the_patience(
    database: Database, far_database: Database, proxy: TcpProxy
) -> None:
    loop = asyncio.get_running_loop()
    stream = ChangeStream(far_database, patience=0.5)
    await stream.open()
    proxy.silence()
    started = loop.time()

    assert "silent" in await lost(stream)
    tail = stream._tail
    assert tail is not None
    await stream.close()
    assert loop.time() - started < 4 * (0.5 + MAX_AWAIT_MS / 1000)

    # The request that nobody waits for any more ends quietly.
    overlooked: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: overlooked.append(context))
    proxy.resume()
    async with asyncio.timeout(LIMIT_SECONDS):
        await tail.ended.wait()
    del tail
    gc.collect()
    loop.set_exception_handler(None)
    assert not overlooked


async def test_closing_is_prompt_and_may_be_repeated(mongod: MongoServer, database: Database, stream: ChangeStream) -> None:
    waiting = asyncio.ensure_future(stream.next_batch())
    # The server holds a request for half a second at a time.
    async with asyncio.timeout(LIMIT_SECONDS):
        while not await operations(mongod, {"op": "getmore", "ns": f"{database.name}.$cmd"}):
            await asyncio.sleep(0)
    started = asyncio.get_running_loop().time()
    tail = stream._tail
    assert tail is not None

    await stream.close()
    await stream.close()

    assert tail.ended.is_set()
    assert asyncio.get_running_loop().time() - started < 2
    with pytest.raises(StreamLostError):
        await waiting
    with pytest.raises(StreamLostError, match="not open"):
        await stream.next_batch()


async def test_a_closed_stream_leaves_no_cursor_at_the_server(mongod: MongoServer, database: Database) -> None:
    # One that is being asked for more is an operation under way.
    cursors = {"ns": {"$in": [f"{database.name}.$cmd.aggregate", f"{database.name}.$cmd"]}, "cursor.tailable": True}
    before = await operations(mongod, cursors)
    stream = ChangeStream(database)
    await stream.open()
    waiting = asyncio.ensure_future(stream.next_batch())
    await insert(database, "pct_1")
    await waiting
    assert await operations(mongod, cursors) == before + 1
    await stream.close()

    assert await operations(mongod, cursors) == before


async def operations(mongod: MongoServer, wanted: Mapping[str, object]) -> int:
    """How many operations the server is busy with, or cursors it keeps, that are like this."""
    admin = await Database.connect(mongod.uri, "admin")
    stages = [{"$currentOp": {"idleCursors": True}}, {"$match": wanted}]
    reply = await admin.command({"aggregate": 1, "pipeline": stages, "cursor": {"batchSize": 10_000}})
    await admin.close()
    return len(reply["cursor"]["firstBatch"])


@pytest.mark.parametrize("token", [None, {}, {"_data": Int64(7)}, {"_data": "7F00"}, {"_data": ""}])
def test_a_token_in_an_unknown_form_says_nothing(token: dict[str, Any] | None) -> None:
    assert time_of_token(token) == BEGINNING


def test_a_token_begins_with_its_time() -> None:
    assert time_of_token({"_data": "826B04BF8A000000022B0429296E1404"}) == version_of(0x6B04BF8A, 2)
