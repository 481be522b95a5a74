"""One watcher of a live operation, and the results it is handed."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

from datastore.errors import TillstreamError
from datastore.versions import BEGINNING, Version, to_wire
from gql.wire import Push

DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Known:
    """What a reconnecting client has: the version and the hash of the last result it was sent."""

    version: Version
    digest: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """One result as every subscriber of the operation receives it, encoded once."""

    payload: bytes
    has_data: bool
    version: Version
    digest: bytes
    """Of the result alone, without its extensions."""
    final: bool
    result_bytes: int
    """How much of the payload is the result, up to its last brace."""

    def stale(self) -> "Frame":
        """The same result, marked: the server can't tell at present whether it still holds."""
        body = self.payload[: self.result_bytes] + b"}"
        return frame_of(body, has_data=self.has_data, version=self.version, digest=self.digest, stale=True)


def frame_of(body: bytes, *, has_data: bool, version: Version, digest: bytes, final: bool = False, stale: bool = False) -> Frame:
    """The encoded response object `body` with `extensions.live` added to it."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    live = {"version": to_wire(version), "hash": digest.hex(), "at": at}
    extension = orjson.dumps({"live": live | {"stale": True} if stale else live})
    return Frame(b'%s,"extensions":%s}' % (body[:-1], extension), has_data, version, digest, final, len(body) - 1)


class Subscriber:
    """One watcher of an operation. It keeps the newest result only, however slowly it reads."""

    __slots__ = ("_error", "_frame", "_known", "_push", "_waiter", "counted_as", "floor", "served", "session_id")

    def __init__(self, session_id: str | None, counted_as: str | None, known: Known | None = None, push: Push | None = None) -> None:
        self.session_id = session_id
        self.counted_as = counted_as
        self.served = False
        """Whether it has, or had, the result that the operation had last."""
        self.floor = BEGINNING
        """What its first result must not be older than: what it has, and the mutations that were acknowledged before it came."""
        self._known = known.digest if known else None
        self._frame: Frame | None = None
        self._error: TillstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._push = push

    def offer(self, frame: Frame) -> None:
        """Puts the newest result in place of one not yet taken; nothing, where it is the one that a reconnecting client has."""
        known, self._known = self._known, None
        self.served = True
        if frame.digest != known and not self._pushed(frame):
            self._frame = frame
            self._wake()

    def end(self, error: TillstreamError) -> None:
        """Ends the watching: what was not yet taken is dropped, for the caller's rights to it are gone."""
        self._frame, self._error = None, error
        self._wake()

    async def next(self) -> Frame:
        """The newest result not yet taken; raises the error the watching was ended with."""
        while True:
            if self._error is not None:
                raise self._error
            if self._frame is not None:
                frame, self._frame = self._frame, None
                return frame
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _pushed(self, frame: Frame) -> bool:
        """Whether the client has it without anybody having been woken. The last result is not pushed: it also ends the watching."""
        if self._push is None or self._waiter is None or self._waiter.done() or frame.final:
            return False
        return self._push(frame.payload)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
