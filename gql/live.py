"""The engine of live operations: run, remember the read set, sleep, be woken by a change that touches it, run again.

`docs/decisions/0003-exactness.md` argues why nothing is missed, torn or taken back; the steps of that argument are named in the code. A
change event only says "dirty": the same execution makes the first result and every later one. There is one recovery path, the same as
start-up: a fresh stream, and everything runs again.
"""

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

import orjson

from datastore.changes import Change, StreamLostError
from datastore.errors import TillstreamError, UnauthenticatedError, UnavailableError
from datastore.matching import Matcher, touches
from datastore.read_set import ReadSet
from datastore.scope import Scope
from datastore.versions import BEGINNING, Version, to_wire

logger = logging.getLogger("tillstream.live")

CONCURRENT_RUNS = 4
LOG_CHANGES = 20_000
"""Changes kept to be matched against runs under way; a run that outlasts them runs again."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.05, 2.0
START_SECONDS = 10.0
"""How long a new operation waits for the change stream to open before it is told UNAVAILABLE."""

Plan = TypeVar("Plan", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run found: `body` is the encoded response object without extensions, read at `version`.

    `final`: the operation can never succeed as it stands (nobody is signed in, an argument is invalid), so it ends with these errors.
    """

    body: bytes
    has_data: bool
    version: Version
    read_set: ReadSet
    final: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """One result as every subscriber of the operation receives it, encoded once."""

    payload: bytes
    has_data: bool
    version: Version
    final: bool


class Stream(Protocol):
    """The change stream, as the engine uses it (`datastore.changes.ChangeStream`)."""

    position: Version

    async def open(self) -> Version:
        """Opens a fresh stream; it misses nothing after the version returned."""

    async def next_batch(self) -> list[Change]:
        """The next changes; raises StreamLostError when a fresh stream is needed."""

    async def close(self) -> None:
        """Closes the stream."""


class Subscriber:
    """One watcher of an operation. It keeps the newest result only, however slowly it reads."""

    __slots__ = ("_error", "_frame", "_waiter", "served", "session_id")

    def __init__(self, session_id: str | None) -> None:
        self.session_id = session_id
        self.served = False
        self._frame: Frame | None = None
        self._error: TillstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def offer(self, frame: Frame) -> None:
        """Puts the newest result in place of one not yet taken."""
        self._frame, self.served = frame, True
        self._wake()

    def end(self, error: TillstreamError) -> None:
        """Ends the watching: what was not yet taken is dropped, for the caller's rights to it are gone."""
        self._frame, self._error = None, error
        self._wake()

    async def next(self) -> Frame:
        """The newest result not yet taken; raises the error the watching was ended with."""
        while self._frame is None and self._error is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._error is not None:
            raise self._error
        frame, self._frame = self._frame, None
        assert frame is not None  # noqa: S101  the loop above ended with one of the two
        return frame

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


@dataclass(eq=False, slots=True)
class LiveRun(Generic[Plan]):
    """One distinct operation of one kind of principal, shared by all who watch it."""

    plan: Plan
    subscribers: set[Subscriber] = field(default_factory=set)
    frame: Frame | None = None
    digest: bytes = b""
    version: Version = BEGINNING
    queued: bool = False
    failures: int = 0


@dataclass(slots=True)
class Counters:
    """What the engine did since it started, for tests, metrics and operators."""

    runs: int = 0
    unchanged_runs: int = 0
    wakes: int = 0
    streams_opened: int = 0


class LiveEngine(Generic[Plan]):
    """All live operations of one process.

    `execute(plan, floor)` runs an operation on one snapshot not older than `floor`; `authorize(session_id, floor)` is the scope that a
    session gives then, or None where it has ended.
    """

    def __init__(
        self,
        stream: Stream,
        execute: Callable[[Plan, Version], Awaitable[Outcome]],
        authorize: Callable[[str, Version], Awaitable[Scope | None]],
    ) -> None:
        self._stream = stream
        self._execute = execute
        self._authorize = authorize
        self._runs: dict[Plan, LiveRun[Plan]] = {}
        self._sessions: dict[str, set[Subscriber]] = {}
        self._scopes: dict[Subscriber, Scope] = {}
        self._matcher: Matcher[LiveRun[Plan]] = Matcher()
        self._dirty: asyncio.Queue[LiveRun[Plan]] = asyncio.Queue()
        self._doubtful_sessions: asyncio.Queue[str] = asyncio.Queue()
        self._log: deque[Change] = deque()
        self._log_floor = BEGINNING
        self._committed_here = BEGINNING
        self._open = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._retries: set[asyncio.TimerHandle] = set()
        self.counters = Counters()

    # --- life ---

    async def start(self) -> None:
        """Starts the engine's tasks: one that follows the stream, one that looks after sessions, and a few that run operations."""
        names = {"live-stream": self._follow, "live-sessions": self._check_sessions}
        names |= {f"live-run-{number}": self._work for number in range(CONCURRENT_RUNS)}
        self._tasks = [asyncio.create_task(body(), name=name) for name, body in names.items()]
        for task in self._tasks:
            task.add_done_callback(_report_death)

    async def stop(self) -> None:
        """Ends every task and closes the stream."""
        for retry in self._retries:
            retry.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stream.close()

    @property
    def ready(self) -> bool:
        """Whether the stream is open and every task of the engine is alive."""
        return self._open.is_set() and bool(self._tasks) and not any(task.done() for task in self._tasks)

    @property
    def distinct_operations(self) -> int:
        """How many different operations are live now, each shared by its subscribers."""
        return len(self._runs)

    def settled(self, version: Version) -> bool:
        """Whether all that was committed up to `version` has been followed, and no run is due or under way."""
        return self._open.is_set() and self._stream.position >= version and not any(run.queued for run in self._runs.values())

    def committed(self, version: Version) -> None:
        """Notes a mutation that this process committed, so that whoever subscribes afterwards sees it in the first result."""
        self._committed_here = max(self._committed_here, version)

    # --- subscribing ---

    async def watch(self, plan: Plan, scope: Scope | None) -> AsyncGenerator[Frame, None]:
        """The results of an operation, newest only, until the caller stops, the operation turns out final, or the session ends.

        Raises UnavailableError when no change stream can be opened, UnauthenticatedError when the session ends.
        """
        await self._until_open()
        subscriber = self._join(plan, scope)
        try:
            # The session may have ended since it was authenticated (when the socket was opened, say), before anybody listened for that.
            if subscriber.session_id is not None:
                await self._check_session(subscriber.session_id)
            while True:
                frame = await subscriber.next()
                yield frame
                if frame.final:
                    return
        finally:
            self._leave(plan, subscriber)

    async def _until_open(self) -> None:
        try:
            await asyncio.wait_for(self._open.wait(), START_SECONDS)
        except TimeoutError:
            msg = "Live results are not available at the moment; try again."
            raise UnavailableError(msg) from None

    def _join(self, plan: Plan, scope: Scope | None) -> Subscriber:
        subscriber = Subscriber(scope.session_id if scope else None)
        run = self._runs.get(plan)
        if run is None:
            run = self._runs[plan] = LiveRun(plan)
            self._mark_dirty(run)
        run.subscribers.add(subscriber)
        if scope is not None and scope.session_id is not None:
            self._sessions.setdefault(scope.session_id, set()).add(subscriber)
            self._scopes[subscriber] = scope
        if run.frame is not None:
            self._greet(run, subscriber)
        return subscriber

    def _greet(self, run: LiveRun[Plan], subscriber: Subscriber) -> None:
        """Gives a late subscriber the result there is, unless a newer one is due or a mutation that this process answered may not be in
        it.
        """
        if max(self._stream.position, run.version) < self._committed_here:
            self._mark_dirty(run)
        if run.frame is not None and not run.queued:
            subscriber.offer(run.frame)

    def _leave(self, plan: Plan, subscriber: Subscriber) -> None:
        self._scopes.pop(subscriber, None)
        watchers = self._sessions.get(subscriber.session_id or "")
        if watchers is not None:
            watchers.discard(subscriber)
            if not watchers:
                self._sessions.pop(subscriber.session_id or "")
        run = self._runs.get(plan)
        if run is None:
            return
        run.subscribers.discard(subscriber)
        if not run.subscribers:
            self._runs.pop(plan)
            self._matcher.unregister(run)

    # --- following the stream ---

    async def _follow(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._begin()
                delay = FIRST_RETRY_SECONDS
                while True:
                    self._apply(await self._stream.next_batch())
            except (StreamLostError, UnavailableError) as lost:
                self._open.clear()
                logger.warning("change stream lost, opening a fresh one: %s", lost)
                await asyncio.sleep(delay)
                delay = min(delay * 2, LAST_RETRY_SECONDS)

    async def _begin(self) -> None:
        """Start-up and recovery alike: a fresh stream, an empty log, everything dirty, every session in doubt."""
        self._log_floor = await self._stream.open()
        self._log.clear()
        self.counters.streams_opened += 1
        self._open.set()
        for run in self._runs.values():
            self._mark_dirty(run)
        for session_id in self._sessions:
            self._doubtful_sessions.put_nowait(session_id)

    def _apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._remember(change)
            if change.table == "sessions" and change.id in self._sessions:
                self._doubtful_sessions.put_nowait(change.id)
            for run in self._matcher.touched(change):
                if change.time > run.version:
                    self.counters.wakes += 1
                    self._mark_dirty(run)

    def _remember(self, change: Change) -> None:
        self._log.append(change)
        if len(self._log) > LOG_CHANGES:
            self._log_floor = self._log.popleft().time

    # --- running ---

    def _mark_dirty(self, run: LiveRun[Plan]) -> None:
        if not run.queued:
            run.queued = True
            self._dirty.put_nowait(run)

    async def _work(self) -> None:
        while True:
            run = await self._dirty.get()
            if run.subscribers:
                await self._run(run)

    async def _run(self, run: LiveRun[Plan]) -> None:
        """One execution. While it is under way the run counts as queued: changes meanwhile are judged by the new read set when it ends."""
        self.counters.runs += 1
        self._matcher.unregister(run)
        try:
            outcome = await self._execute(run.plan, max(self._stream.position, run.version, self._committed_here))
        except UnavailableError as error:
            self._fail(run, error)
            return
        run.queued, run.failures = False, 0
        if not run.subscribers:
            return
        self._matcher.register(run, outcome.read_set)
        self._deliver(run, outcome)
        if self._changed_since(outcome):
            self._mark_dirty(run)

    def _fail(self, run: LiveRun[Plan], error: UnavailableError) -> None:
        """Tries again later; who waits for a first result is told, and what was sent before stays what is known."""
        for subscriber in run.subscribers:
            if not subscriber.served:
                subscriber.end(error)
        delay = min(FIRST_RETRY_SECONDS * 2**run.failures, LAST_RETRY_SECONDS)
        run.failures += 1
        loop = asyncio.get_running_loop()
        self._retries = {retry for retry in self._retries if retry.when() > loop.time() and not retry.cancelled()}
        self._retries.add(loop.call_later(delay, self._dirty.put_nowait, run))

    def _changed_since(self, outcome: Outcome) -> bool:
        """Whether a change newer than the snapshot touches what was read, or the log no longer tells."""
        if outcome.version < self._log_floor:
            return True
        for change in reversed(self._log):
            if change.time <= outcome.version:
                return False
            if touches(outcome.read_set, change):
                return True
        return False

    def _deliver(self, run: LiveRun[Plan], outcome: Outcome) -> None:
        digest = hashlib.blake2b(outcome.body, digest_size=16).digest()
        unchanged = digest == run.digest
        run.version, run.digest = outcome.version, digest
        run.frame = Frame(_with_extensions(outcome), outcome.has_data, outcome.version, outcome.final)
        self.counters.unchanged_runs += unchanged
        for subscriber in run.subscribers:
            if not (unchanged and subscriber.served):
                subscriber.offer(run.frame)

    # --- rights ---

    async def _check_sessions(self) -> None:
        while True:
            session_id = await self._doubtful_sessions.get()
            try:
                await self._check_session(session_id)
            except UnavailableError:
                asyncio.get_running_loop().call_later(FIRST_RETRY_SECONDS, self._doubtful_sessions.put_nowait, session_id)

    async def _check_session(self, session_id: str) -> None:
        """Ends whatever is watched with a session that has ended or changed, as it is stored now."""
        scope = await self._authorize(session_id, max(self._stream.position, self._committed_here))
        for subscriber in tuple(self._sessions.get(session_id, ())):
            if scope != self._scopes.get(subscriber):
                subscriber.end(UnauthenticatedError("The session has ended."))


def _report_death(task: asyncio.Task[None]) -> None:
    """A task of the engine ends only when the engine is stopped; else readiness has failed (`LiveEngine.ready`) and the log says why."""
    if not task.cancelled():
        logger.critical("the task %s died", task.get_name(), exc_info=task.exception())


def _with_extensions(outcome: Outcome) -> bytes:
    live = orjson.dumps({"version": to_wire(outcome.version), "at": datetime.now(UTC).isoformat(timespec="milliseconds")})
    return b'%s,"extensions":{"live":%s}}' % (outcome.body[:-1], live)
