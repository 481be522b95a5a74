"""Results written to a socket without waking the task of their operation (`gql.wire.Push`), beside those that take that way."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import orjson
import pytest
from starlette.types import Message
from websockets.asyncio.client import ClientConnection, connect

from datastore.errors import UnauthenticatedError
from datastore.versions import Version
from gql.socket_protocol import WebSocketProtocol
from gql.sockets import DisconnectedError, Socket, connection_served
from gql.subscribers import Frame, Subscriber, frame_of
from gql.wire import Caller, GraphQLParams, Payload
from tests.gql.test_websocket import LIMIT_SECONDS, PROTOCOL, SETTINGS, ask, closing, deaf, greet, hear, say
from tests.gql.tiny_service import Serving, TinyOperation, TinyService, serving, until

NEWS = "subscription { news }"
LARGE = 100_000


class PushingService(TinyService):
    """Its subscribers are the engine's own: they are offered results of any size. `given` are those that took the way of the task."""

    def reset(self) -> None:
        super().reset()
        self.subscribers: list[Subscriber] = []
        self.given: list[int] = []

    async def subscribe(self, operation: TinyOperation, params: GraphQLParams, caller: Caller) -> AsyncGenerator[Payload, None]:
        del operation, params
        subscriber = Subscriber(None, None, push=caller.push)
        self.subscribers.append(subscriber)
        try:
            while True:
                frame = await subscriber.next()
                self.given.append(frame.version)
                yield Payload(frame.payload, frame.has_data, frame.final)
                if frame.final:
                    return
        except UnauthenticatedError:
            yield Payload(b'{"errors":[{"message":"ended"}]}', has_data=False, final=True)
        finally:
            self.subscribers.remove(subscriber)

    def offer(self, number: int, size: int = 0) -> None:
        """Offers a result to all."""
        for subscriber in self.subscribers:
            subscriber.offer(result(number, size))


def result(number: int, size: int = 0, *, final: bool = False) -> Frame:
    body = orjson.dumps({"data": {"number": number, "text": "é" * (size // 2)}} if not final else {"errors": [{"message": "no"}]})
    return frame_of(body, has_data=not final, version=Version(number), digest=number.to_bytes(16), final=final)


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[tuple[PushingService, Serving]]:
    service = PushingService()
    async with serving(service, SETTINGS) as server:
        yield service, server


@pytest.fixture
def service(served: tuple[PushingService, Serving]) -> PushingService:
    served[0].reset()
    return served[0]


@pytest.fixture
def address(served: tuple[PushingService, Serving]) -> str:
    return served[1].address


@asynccontextmanager
async def watching(service: PushingService, address: str, *, reads: bool = True) -> AsyncIterator[ClientConnection]:
    """A client whose operation "1" waits for results; one that does not read them has little room for them."""
    already = len(service.subscribers)
    connecting = connect(
        f"ws://{address}/graphql",
        sock=None if reads else deaf(address),
        subprotocols=[PROTOCOL],
        compression=None,
        max_queue=16 if reads else 1,
    )
    async with connecting as socket:
        await greet(socket)
        await ask(socket, "1", NEWS)
        await until(lambda: len(service.subscribers) == already + 1)
        yield socket


async def number_of(socket: ClientConnection) -> int:
    message = await hear(socket)
    assert (message["id"], message["type"]) == ("1", "next")
    number: int = message["payload"]["data"]["number"]
    return number


@pytest.mark.parametrize("size", [0, 400, 60_000, LARGE])
async def test_who_waits_is_served_at_once_and_nobody_is_woken(service: PushingService, address: str, size: int) -> None:
    async with watching(service, address) as one, watching(service, address) as another:
        for number in (1, 2, 3):
            service.offer(number, size)
            assert [await number_of(one), await number_of(another)] == [number, number]
    assert service.given == []


async def test_an_id_is_pushed_back_as_it_came(service: PushingService, address: str) -> None:
    odd = '"}\\ \u2028 é 😀 \x00'
    async with watching(service, address) as socket:
        await say(socket, {"type": "complete", "id": "1"})
        await until(lambda: not service.subscribers)
        await ask(socket, odd, NEWS)
        await until(lambda: service.subscribers)
        service.offer(1)
        assert (await hear(socket))["id"] == odd
    assert service.given == []


async def test_who_stops_reading_in_the_middle_gets_the_newest_and_is_then_pushed_to_again(service: PushingService, address: str) -> None:
    async with watching(service, address, reads=False) as slow, watching(service, address) as quick:
        for number in range(1, 4):
            service.offer(number)
            assert [await number_of(slow), await number_of(quick)] == [number, number]
        assert service.given == []
        for number in range(4, 204):
            service.offer(number, LARGE)
            assert await number_of(quick) == number
        heard = [3]
        while heard[-1] < 203:
            heard.append(await number_of(slow))
        given = len(service.given)
        service.offer(204)
        assert [await number_of(slow), await number_of(quick)] == [204, 204]
    assert heard == sorted(set(heard))
    # What fits into the kernel's buffers, the transport's and the client's, of 20 MB.
    assert len(heard) < 100
    assert service.given[-1] == 203
    assert len(service.given) == given


async def test_results_come_in_order_by_whichever_way(service: PushingService, address: str) -> None:
    async with watching(service, address, reads=False) as slow:
        heard: list[int] = []
        for last in range(100, 501, 100):
            for number in range(last - 99, last + 1):
                service.offer(number, LARGE)
                await asyncio.sleep(0)
            while not heard or heard[-1] < last:
                heard.append(await number_of(slow))
    assert heard == sorted(set(heard))
    assert 0 < len(service.given) < len(heard)


async def test_the_end_does_not_overtake_what_was_pushed_before(service: PushingService, address: str) -> None:
    async with watching(service, address) as socket:
        [subscriber] = service.subscribers
        subscriber.offer(result(1))
        subscriber.offer(result(2))
        subscriber.end(UnauthenticatedError("ended"))
        subscriber.offer(result(3))
        assert [await number_of(socket), await number_of(socket)] == [1, 2]
        assert (await hear(socket))["type"] == "error"
        await say(socket, {"type": "ping"})
        assert await hear(socket) == {"type": "pong"}


async def test_a_final_result_ends_the_operation_and_is_not_pushed(service: PushingService, address: str) -> None:
    async with watching(service, address) as socket:
        service.subscribers[0].offer(result(1, final=True))
        assert await hear(socket) == {"id": "1", "type": "error", "payload": [{"message": "no"}]}
    assert service.given == [1]


async def test_a_socket_that_breaks_off_among_pushes_is_no_fault(
    service: PushingService, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(service, address) as socket:
        socket.transport.abort()
        for number in range(1, 10_000):
            service.offer(number)
            await asyncio.sleep(0)
            if not service.subscribers:
                break
        await until(lambda: not service.subscribers)
    async with watching(service, address) as another:
        service.offer(10_000)
        assert await number_of(another) == 10_000
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("by_server", [True, False])
async def test_nothing_is_written_after_the_goodbye(
    service: PushingService, served: tuple[PushingService, Serving], *, by_server: bool
) -> None:
    async with watching(service, served[1].address) as socket:
        await until(lambda: served[1].connections == 1)
        [connection] = served[1].server.server_state.connections
        assert isinstance(connection, WebSocketProtocol)
        assert connection.write_now(b"{}")
        assert await hear(socket) == {}
        if by_server:
            await socket.send("no message")
            assert (await closing(socket))[0] == 4400
        else:
            await socket.close()
        assert not connection.write_now(b"{}")


async def test_one_that_could_not_be_pushed_is_replaced_by_the_newest_and_not_overtaken() -> None:
    tried: list[bytes] = []

    def refuse(body: bytes) -> bool:
        tried.append(body)
        return len(tried) > 1

    subscriber = Subscriber(None, None, push=refuse)
    waiting = asyncio.create_task(subscriber.next())
    await asyncio.sleep(0)
    subscriber.offer(result(1))
    subscriber.offer(result(2))
    async with asyncio.timeout(LIMIT_SECONDS):
        assert (await waiting).version == 2
        subscriber.offer(result(3))  # nobody asks, so that 2 may be on its way yet
        assert (await subscriber.next()).version == 3
    assert len(tried) == 1


class FakeConnection:
    """Takes every text but one."""

    on_pong: Callable[[], bool] | None = None

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write_now(self, text: bytes) -> bool:
        if text == b"dead":
            raise RuntimeError("closed handle")
        self.written.append(text)
        return True


async def test_nothing_is_pushed_between_messages_under_way_nor_to_a_transport_that_died() -> None:
    taken = asyncio.Event()
    connection = FakeConnection()

    async def receive() -> Message:
        return {"type": "websocket.disconnect"}

    async def send(message: Message) -> None:
        del message
        await taken.wait()

    connection_served.set(connection)
    socket = Socket(receive, send)
    assert connection_served.get() is None
    assert [socket.send_now(b"a"), socket.send_now(b"dead")] == [True, False]
    sending = [asyncio.create_task(socket.send("under way")) for _ in range(2)]
    await asyncio.sleep(0)
    assert not socket.send_now(b"b")
    taken.set()
    await asyncio.gather(*sending)
    assert socket.send_now(b"c")
    with pytest.raises(DisconnectedError):
        await socket.receive()
    assert not socket.send_now(b"d")
    assert connection.written == [b"a", b"c"]
