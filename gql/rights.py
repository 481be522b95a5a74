"""Whose session each subscriber watches with: a session that ends, changes or expires ends what is watched with it, at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from datastore.errors import TillstreamError, UnauthenticatedError, UnavailableError
from datastore.scope import Scope
from datastore.versions import Version

RETRY_SECONDS = 0.1


class Watcher(Protocol):
    """Who watches with a session."""

    session_id: str | None
    counted_as: str | None
    """Whose limit it counts to: a user's, or the network's of who is not signed in."""

    def end(self, error: TillstreamError) -> None:
        """Ends the watching: the rights to it are gone."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a session gives now, and until when, if it is not refreshed before."""

    scope: Scope
    until: datetime


Authorize = Callable[[str, Version], Awaitable[Authorization | None]]


class WatchedSessions:
    """The sessions that something is watched with.

    `authorize(session_id, floor)` is what a session gives at a moment not before `floor`, None where it has ended.
    """

    def __init__(self, authorize: Authorize, floor: Callable[[], Version]) -> None:
        self._authorize = authorize
        self._floor = floor
        self._watchers: dict[str, dict[Watcher, Scope]] = {}
        self._deadlines: dict[str, asyncio.TimerHandle] = {}
        self._doubtful: asyncio.Queue[str] = asyncio.Queue()

    def __len__(self) -> int:
        return len(self._watchers)

    async def add(self, subscriber: Watcher, scope: Scope) -> None:
        """Looks after a subscriber from now on, and ends it at once where its session has ended or changed since it was authenticated."""
        if subscriber.session_id is None:
            return
        watchers = self._watchers.setdefault(subscriber.session_id, {})
        # What is watched with these very rights already ends by itself; a socket may be older than the rights of the others.
        looked_after = scope in watchers.values()
        watchers[subscriber] = scope
        if not looked_after:
            await self._check(subscriber.session_id)

    def discard(self, subscriber: Watcher) -> None:
        """Forgets a subscriber that has left."""
        watchers = self._watchers.get(subscriber.session_id or "")
        if watchers is None:
            return
        watchers.pop(subscriber, None)
        if not watchers:
            self._forget(subscriber.session_id or "")

    def doubt(self, session_id: str) -> None:
        """Has a session looked at again, for its row has changed."""
        if session_id in self._watchers:
            self._doubtful.put_nowait(session_id)

    def doubt_all(self) -> None:
        """Has every session looked at again: changes may have been missed."""
        for session_id in self._watchers:
            self._doubtful.put_nowait(session_id)

    async def check_the_doubtful(self) -> None:
        """The task that looks at them, for ever."""
        while True:
            session_id = await self._doubtful.get()
            try:
                await self._check(session_id)
            except UnavailableError:
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self.doubt, session_id)

    def stop(self) -> None:
        """Cancels what is due."""
        for deadline in self._deadlines.values():
            deadline.cancel()

    async def _check(self, session_id: str) -> None:
        authorization = await self._authorize(session_id, self._floor())
        seconds = (authorization.until - datetime.now(UTC)).total_seconds() if authorization else 0.0
        for subscriber, scope in tuple(self._watchers.get(session_id, {}).items()):
            if authorization is None or authorization.scope != scope:
                self._end(subscriber, "The session has ended.")
            elif seconds <= 0:
                self._end(subscriber, "The access token has expired. Refresh the session, and subscribe again.")
        if session_id in self._watchers and seconds > 0:
            self._set_deadline(session_id, seconds)

    def _end(self, subscriber: Watcher, why: str) -> None:
        # It may take its time to leave (its client does not read, say): who comes with the same session meanwhile is looked at anew.
        self.discard(subscriber)
        subscriber.end(UnauthenticatedError(why))

    def _set_deadline(self, session_id: str, seconds: float) -> None:
        """A session that is refreshed in time is found so at the deadline, and has another: nothing runs again for it."""
        earlier = self._deadlines.get(session_id)
        if earlier is not None:
            earlier.cancel()
        self._deadlines[session_id] = asyncio.get_running_loop().call_later(seconds, self.doubt, session_id)

    def _forget(self, session_id: str) -> None:
        self._watchers.pop(session_id, None)
        deadline = self._deadlines.pop(session_id, None)
        if deadline is not None:
            deadline.cancel()
