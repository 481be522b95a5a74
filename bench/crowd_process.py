"""Many websocket clients in one process, as cheap as they can be: one `epoll`, raw frames, nothing decoded.

What is measured is the server; a client library would cost more than the server does. Requests come as lines of JSON on the standard input
(`bench.crowd` sends them). Only what a server may send is understood: whole, unmasked frames (RFC 6455, section 5.2).
"""

import base64
import json
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

_PING, _PONG = b'{"type":"ping"}', b'{"type":"pong"}'
# RFC 6455, section 5.2: whole frames by their first byte.
_TEXT, _CONTROL_PING, _CONTROL_PONG = 0x81, 0x89, 0x8A
_MASK = b"\x00\x00\x00\x00"  # A client must mask; with zeros that changes nothing.
# One for all: to be given a fresh one by each read costs more than the read.
_BUFFER = bytearray(1 << 18)
_VIEW = memoryview(_BUFFER)
_OPEN_SECONDS = 120.0


class _Client:
    __slots__ = ("connection", "rest")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.rest = b""

    def send(self, text: bytes, kind: int = _TEXT) -> None:
        size = len(text)
        head = bytes((kind, 0x80 | size)) if size < 126 else bytes((kind, 0xFE)) + size.to_bytes(2)
        self.connection.sendall(head + _MASK + text)

    def frames(self) -> list[bytes]:
        """The payloads of the frames that have come whole."""
        size = self.connection.recv_into(_BUFFER)
        if not size:
            raise ConnectionError("the server has closed a socket")
        data = self.rest + _VIEW[:size]
        found, at = [], 0
        while (end := _end_of_frame(data, at)) is not None:
            payload = data[end[0] : end[1]]
            if data[at] == _CONTROL_PING:
                self.send(payload, _CONTROL_PONG)
            else:
                found.append(payload)
            at = end[1]
        self.rest = data[at:]
        return found


def _end_of_frame(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `at` begins and ends; None where it has not come whole."""
    if len(data) < at + 2:
        return None
    size, begin = data[at + 1] & 0x7F, at + 2
    if size >= 126:
        wide = 2 if size == 126 else 8
        size, begin = int.from_bytes(data[begin : begin + wide]), begin + wide
    return (begin, begin + size) if len(data) >= begin + size else None


class Crowd:
    """All clients of the process, and what they have received since the last `reset`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._clients: dict[int, _Client] = {}
        self._sample = b""
        self.reset()

    def reset(self) -> dict[str, Any]:
        """Forgets what has come."""
        self._messages, self._bytes, self._first, self._last = 0, 0, 0.0, 0.0
        self._served: set[int] = set()
        return {}

    def tally(self) -> dict[str, Any]:
        """What has come: moments are of the system's monotonic clock, which all processes share."""
        counted = {"messages": self._messages, "bytes": self._bytes, "sockets": len(self._served)}
        return {**counted, "first": self._first, "last": self._last, "sample": self._sample.decode()}

    def open(self, host: str, port: int, path: str, groups: list[dict[str, Any]]) -> dict[str, Any]:
        """Opens each group's `count` sockets, says its `hello` frames on each, and waits for an answer to each frame of it."""
        opened = []
        for group in groups:
            opened += [_handshake(host, port, path) for _ in range(group["count"])]
        hellos = [group["hello"] for group in groups for _ in range(group["count"])]
        for step in range(max(map(len, hellos), default=0)):
            # All ask before the first waits for its answer: what the server can do together it may.
            for client, hello in zip(opened, hellos, strict=True):
                client.send(hello[step].encode())
            for client in opened:
                self._answer_of(client)
        for client in opened:
            client.connection.settimeout(0)
            self._clients[client.connection.fileno()] = client
            self._epoll.register(client.connection.fileno(), select.EPOLLIN)
        return {"opened": len(self._clients), "sample": self._sample.decode()}

    def close(self) -> dict[str, Any]:
        """Cuts every connection."""
        for number in tuple(self._clients):
            self._lose(number)
        return {}

    def await_messages(self, messages: int, seconds: float) -> dict[str, Any]:
        """Waits for so many messages, or so long."""
        deadline = time.monotonic() + seconds
        while self._messages < messages and time.monotonic() < deadline:
            self.listen(0.05)
        return self.tally()

    def listen(self, seconds: float) -> None:
        """Takes in what is there, or comes within some time."""
        for number, _ in self._epoll.poll(seconds, 1024):
            self._take(number)

    @property
    def selectable(self) -> int:
        """Readable when something has come."""
        return self._epoll.fileno()

    def _take(self, number: int) -> None:
        client = self._clients.get(number)
        if client is None:
            return
        try:
            payloads = client.frames()
        except ConnectionError:
            self._lose(number)
            return
        for payload in payloads:
            if payload == _PING:
                client.send(_PONG)
                continue
            self._messages += 1
            self._bytes += len(payload)
            self._served.add(number)
            self._sample = payload
            self._last = time.perf_counter()
            self._first = self._first or self._last

    def _lose(self, number: int) -> None:
        """A socket that the server has closed is silent: whoever waits for its message says so."""
        self._epoll.unregister(number)
        self._clients.pop(number).connection.close()

    def _answer_of(self, client: _Client) -> None:
        while True:
            payloads = client.frames()
            if _PING in payloads:
                client.send(_PONG)
            answers = [payload for payload in payloads if payload != _PING]
            if answers:
                self._sample = answers[-1]
                return


def _handshake(host: str, port: int, path: str) -> _Client:
    connection = socket.create_connection((host, port), timeout=_OPEN_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(1)  # no more than the head: a frame may follow at once
        if not received:
            raise ConnectionError("the server has closed a socket that was opening")
        head += received
    if b" 101 " not in head.partition(b"\r\n")[0]:
        raise ConnectionError(f"no websocket was opened: {head.decode(errors='replace')}")
    return _Client(connection)


def main() -> None:
    """Answers requests until the input ends."""
    crowd, requests = Crowd(), sys.stdin.fileno()
    operations: dict[str, Callable[..., dict[str, Any]]] = {
        "open": crowd.open,
        "close": crowd.close,
        "reset": crowd.reset,
        "tally": crowd.tally,
        "await": crowd.await_messages,
    }
    # One request at a time is under way, so that a line is never read together with the next.
    while True:
        readable, _, _ = select.select([requests, crowd.selectable], [], [])
        crowd.listen(0)
        if requests in readable:
            line = sys.stdin.readline()
            if not line:
                return
            request = json.loads(line)
            print(json.dumps(operations[request.pop("op")](**request)), flush=True)


if __name__ == "__main__":
    main()
