"""The engine of live operations: run, remember the read set, sleep, be woken by a change that touches it, run again.

docs/decisions/0003-exact-without-pre-images.md argues why nothing is missed, torn or taken back; the steps of that argument are named
here. A change event only says "dirty": the same execution makes the first result and every later one. There is one recovery path, the
same as start-up: a fresh stream, and everything runs again.
"""

import asyncio
import hashlib
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Generic

from datastore.changes import Change, StreamLostError
from datastore.errors import RateLimitedError, UnavailableError
from datastore.matching import Matcher
from datastore.scope import Scope
from datastore.versions import BEGINNING, Version
from gql.change_log import ChangeLog
from gql.dirty import DirtyQueue
from gql.live_contracts import Counters, Limits, Listener, Outcome, Stream
from gql.rights import Authorize, WatchedSessions, Watcher
from gql.shared_runs import LiveRun, PlanT, SharedRuns
from gql.subscribers import DIGEST_BYTES, Frame, Known, Subscriber, frame_of
from gql.wire import Push
from resolvers.services import EngineFigures
from resolvers.usage import Sharing

logger = logging.getLogger("tillstream.live")

CONCURRENT_RUNS = 4
WIDE = 64
"""A change that wakes more runs than this is splayed: they queue in the wide lane (`gql/dirty.py`)."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.05, 2.0
START_SECONDS = 10.0
"""How long a new operation waits for the change stream to open before it is told UNAVAILABLE."""
HEARTBEAT_SECONDS = 1.0
"""How often the stream's position is held against the server's clock."""
SILENCE_SECONDS = 5.0
"""How long the stream may take to reach that clock before it counts as dead although it is open."""
STALE_SECONDS = 2.0
"""How long the stream, or a run, may fail before results say that they may be stale."""


class LiveEngine(Generic[PlanT]):
    """All live operations of one process.

    `execute(plan, floor)` runs an operation on one snapshot not older than `floor`; `authorize(session_id, floor)` is what a session gives
    then; `now()` is the server's latest operation time.
    """

    def __init__(
        self,
        stream: Stream,
        execute: Callable[[PlanT, Version], Awaitable[Outcome]],
        authorize: Authorize,
        now: Callable[[], Awaitable[Version]],
        limits: Limits,
    ) -> None:
        self._stream = stream
        self._execute = execute
        self._now = now
        self._limits = limits
        self._runs: SharedRuns[PlanT] = SharedRuns()
        self._watched_by: Counter[str | None] = Counter()
        self._sessions = WatchedSessions(authorize, self._floor)
        self._matcher: Matcher[LiveRun[PlanT]] = Matcher()
        self._dirty: DirtyQueue[LiveRun[PlanT]] = DirtyQueue()
        self._log = ChangeLog()
        self._committed_here = BEGINNING
        self._open = asyncio.Event()
        self._down_since: float | None = None
        self._unsettled: dict[LiveRun[PlanT], float] = {}
        """Since when a run is under way or failing."""
        self._tasks: list[asyncio.Task[None]] = []
        self.listeners: list[Listener] = []
        """Who is told of all that the stream brings."""
        self.counters = Counters()
        self.lag_seconds = 0.0
        """How long the stream took to reach the server's clock when that was last held against it."""

    # --- life ---

    async def start(self) -> None:
        """Starts the engine's tasks: the stream, the sessions, the heartbeat, and a few that run operations."""
        self._down_since = time.monotonic()
        bodies = {"live-stream": self._follow(), "live-sessions": self._sessions.check_the_doubtful(), "live-heartbeat": self._beat()}
        bodies["live-stale"] = self._tell_who_may_be_stale()
        bodies |= {f"live-run-{number}": self._work(wide_first=number == 0) for number in range(CONCURRENT_RUNS)}
        self._tasks = [asyncio.create_task(body, name=name) for name, body in bodies.items()]
        for task in self._tasks:
            task.add_done_callback(_report_death)

    async def stop(self) -> None:
        """Ends every task and closes the stream."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._sessions.stop()
        for run in self._runs:
            run.close()
        await self._stream.close()

    @property
    def ready(self) -> bool:
        """Whether the stream is open and every task of the engine is alive."""
        return self._open.is_set() and bool(self._tasks) and not any(task.done() for task in self._tasks)

    @property
    def distinct_operations(self) -> int:
        """How many different operations are live now, each shared by its subscribers."""
        return len(self._runs)

    @property
    def subscribers(self) -> int:
        """How many watch them."""
        return self._watched_by.total()

    def figures(self) -> EngineFigures:
        """What it has done and has to do."""
        return EngineFigures(
            ready=self.ready,
            subscribers=self.subscribers,
            distinct_operations=self.distinct_operations,
            due=len(self._dirty),
            lag_seconds=self.lag_seconds,
            **asdict(self.counters),
        )

    def settled(self, version: Version) -> bool:
        """Whether all that was committed up to `version` has been followed, and no run is due or under way."""
        return self._open.is_set() and self._stream.position >= version and not any(run.queued for run in self._runs)

    def committed(self, version: Version) -> None:
        """Notes a mutation that this process committed, so that whoever subscribes afterwards sees it in the first result."""
        self._committed_here = max(self._committed_here, version)

    def _floor(self) -> Version:
        return max(self._stream.position, self._committed_here)

    # --- subscribing ---

    async def watch(
        self, plan: PlanT, known: Known | None = None, push: Push | None = None, network: str | None = None
    ) -> AsyncGenerator[Frame, None]:
        """The results of an operation, newest only, until the caller stops, the operation turns out final, or the session ends.

        `known` is the result that a reconnecting caller has: it is not sent again, nor is an older one. What `push` could send is not
        given. Who is not signed in is counted by their `network`. Raises UnavailableError when no change stream can be opened,
        RateLimitedError past the limit of the user or the network, UnauthenticatedError when the session ends.
        """
        await self._until_open()
        if known is not None and known.version > self._stream.position and known.version > await self._now():
            known = None  # of another cluster, or made up: no snapshot of this one is as late
        subscriber = self._join(plan, known, push, network)
        try:
            # The session may have ended since it was authenticated (when the socket was opened, say), before anybody listened for that.
            if plan.scope is not None:
                await self._sessions.add(subscriber, plan.scope)
            while True:
                frame = await subscriber.next()
                yield frame
                if frame.final:
                    return
        finally:
            self._leave(subscriber)

    async def _until_open(self) -> None:
        if self._open.is_set():
            return
        try:
            await asyncio.wait_for(self._open.wait(), START_SECONDS)
        except TimeoutError:
            raise UnavailableError("Live results are not available at the moment; try again.") from None

    def _join(self, plan: PlanT, known: Known | None, push: Push | None, network: str | None) -> Subscriber:
        scope = plan.scope
        subscriber = Subscriber(scope.session_id if scope else None, scope.user_id if scope else network, known, push)
        self._admit(subscriber)
        self._put_on(self._runs.join(subscriber, plan), subscriber, known.version if known else BEGINNING)
        return subscriber

    def _put_on(self, run: LiveRun[PlanT], subscriber: Subscriber, has: Version) -> None:
        """Gives a late subscriber the result there is, unless a newer one is due, or must be: one that holds what the subscriber has, and
        every mutation that this process has answered.
        """
        subscriber.floor = max(has, self._committed_here)
        if run.frame is None or run.version < has or max(self._stream.position, run.version) < self._committed_here:
            run.floor = max(run.floor, has)
            self._mark_dirty(run)
        elif not run.queued:
            subscriber.offer(run.frame)

    @asynccontextmanager
    async def attended(self, watcher: Watcher, scope: Scope) -> AsyncGenerator[None, None]:
        """Counts one who watches something else than an operation among the others, and ends it like them when the session ends."""
        self._admit(watcher)
        try:
            await self._sessions.add(watcher, scope)
            yield
        finally:
            self._dismiss(watcher)

    def _admit(self, subscriber: Watcher) -> None:
        if self._watched_by.total() >= self._limits.per_process:
            raise UnavailableError("This server watches as many operations as it can. Try again later.")
        most = self._limits.per_network if subscriber.session_id is None else self._limits.per_user
        if subscriber.counted_as is not None and most is not None and self._watched_by[subscriber.counted_as] >= most:
            raise RateLimitedError(f"You watch {most} operations already; end some of them first.", retry_after=1)
        self._watched_by[subscriber.counted_as] += 1

    def _dismiss(self, subscriber: Watcher) -> None:
        self._watched_by[subscriber.counted_as] -= 1
        if not self._watched_by[subscriber.counted_as]:
            del self._watched_by[subscriber.counted_as]
        self._sessions.discard(subscriber)

    def _leave(self, subscriber: Subscriber) -> None:
        self._dismiss(subscriber)
        unwatched = self._runs.leave(subscriber)
        if unwatched is not None:
            self._close(unwatched)

    def _close(self, run: LiveRun[PlanT]) -> None:
        run.close()
        self._runs.forget(run)
        self._unsettled.pop(run, None)
        self._matcher.unregister(run)

    # --- following the stream ---

    async def _follow(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            begun = time.monotonic()
            try:
                await self._begin()
                while True:
                    self._apply(await self._stream.next_batch())
            except (StreamLostError, UnavailableError) as lost:
                if self._open.is_set():
                    self._open.clear()
                    self._down_since = time.monotonic()
                logger.warning("change stream lost, opening a fresh one: %s", lost)
                # One that can be opened but not followed is no recovery: each time, everything runs again.
                if time.monotonic() - begun > LAST_RETRY_SECONDS:
                    delay = FIRST_RETRY_SECONDS
                await asyncio.sleep(delay)
                delay = min(delay * 2, LAST_RETRY_SECONDS)

    async def _begin(self) -> None:
        """Start-up and recovery alike: a fresh stream, an empty log, everything dirty, every session in doubt."""
        version = await self._stream.open()
        self._log.begin(version)
        for listener in self.listeners:
            listener.begin(version)
        self.counters.streams_opened += 1
        self._down_since = None
        self._open.set()
        for run in self._runs:
            self._mark_dirty(run, wide=True)
        self._sessions.doubt_all()

    def _apply(self, changes: Sequence[Change]) -> None:
        for listener in self.listeners:
            listener.take(changes)
        for change in changes:
            self._log.add(change)
            if change.table == "sessions":
                self._sessions.doubt(change.id)
            begun = time.perf_counter()
            touched = self._matcher.touched(change)
            self.counters.matching_seconds += time.perf_counter() - begun
            self.counters.changes += 1
            for run in touched:
                if change.time > run.version:
                    self.counters.wakes += 1
                    self._mark_dirty(run, wide=len(touched) > WIDE)

    # --- running ---

    def _mark_dirty(self, run: LiveRun[PlanT], *, wide: bool = False) -> None:
        if not run.queued:
            run.queued = True
            self._dirty.put(run, wide=wide)

    async def _work(self, *, wide_first: bool) -> None:
        while True:
            run = await self._dirty.get(wide_first=wide_first)
            if run.subscribers:
                await self._run(run)

    async def _run(self, run: LiveRun[PlanT]) -> None:
        """One execution. While it is under way the run counts as queued: changes meanwhile are judged by the new read set when it ends."""
        self.counters.runs += 1
        self._unsettled.setdefault(run, time.monotonic())
        self._matcher.unregister(run)
        floor = max(self._floor(), run.version, run.floor)
        with self._log.keeping(floor):
            await self._run_from(floor, run)

    async def _run_from(self, floor: Version, run: LiveRun[PlanT]) -> None:
        try:
            outcome = await self._execute(run.plan, floor)
        except UnavailableError as error:
            self._fail(run, error)
            return
        run.queued, run.failures = False, 0
        self._unsettled.pop(run, None)
        self._settle(run, outcome.sharing)
        if not run.subscribers:
            self._close(run)
            return
        self._matcher.register(run, outcome.read_set)
        self._deliver(run, outcome)
        self._set_alarm(run, outcome.until)
        if self._log.may_have_changed(outcome.version, outcome.read_set) or not all(subscriber.served for subscriber in run.subscribers):
            self._mark_dirty(run)

    def _settle(self, run: LiveRun[PlanT], sharing: Sharing) -> None:
        """Moves those whom the result is not for, or whom another run serves already, to where they belong."""
        for joined in self._runs.settle(run, sharing):
            for subscriber in joined.subscribers:
                if not subscriber.served or joined.frame is None:
                    self._put_on(joined, subscriber, run.floor)

    def _fail(self, run: LiveRun[PlanT], error: UnavailableError) -> None:
        """Tries again later; who waits for a first result is told, and what was sent before stays what is known."""
        for subscriber in run.subscribers:
            if not subscriber.served:
                subscriber.end(error)
        delay = min(FIRST_RETRY_SECONDS * 2**run.failures, LAST_RETRY_SECONDS)
        run.failures += 1
        asyncio.get_running_loop().call_later(delay, self._dirty.put, run)

    def _deliver(self, run: LiveRun[PlanT], outcome: Outcome) -> None:
        """Hands the result out, but to those who have the same already and were not told to doubt it."""
        digest = hashlib.blake2b(outcome.body, digest_size=DIGEST_BYTES).digest()
        unchanged = run.frame is not None and digest == run.frame.digest and not run.told_stale
        self.counters.unchanged_runs += unchanged
        run.version, run.told_stale = outcome.version, False
        run.frame = frame_of(outcome.body, has_data=outcome.has_data, version=outcome.version, digest=digest, final=outcome.final)
        for subscriber in run.subscribers:
            # Who came while the run was under way may have been told of a later mutation.
            if outcome.version >= subscriber.floor and not (unchanged and subscriber.served):
                subscriber.offer(run.frame)

    def _set_alarm(self, run: LiveRun[PlanT], until: datetime | None) -> None:
        """Runs again when something that it read off the clock stops being true, and not before."""
        run.close()
        if until is not None:
            seconds = (until - datetime.now(UTC)).total_seconds()
            run.alarm = asyncio.get_running_loop().call_later(max(seconds, 0), self._mark_dirty, run)

    # --- the heartbeat: nobody is silently stale ---

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if self._open.is_set():
                await self._hold_against_the_clock()

    async def _hold_against_the_clock(self) -> None:
        """Has a stream opened afresh that is open but silent: an idle one reaches the server's clock too, by its resume tokens."""
        try:
            now = await self._now()
        except UnavailableError as error:
            # Its cursor may live on where a minority is cut off, and give empty answers for ever.
            logger.warning("nobody tells the server's clock, so the change stream can't be trusted: %s", error)
            await self._stream.close()
            return
        begun = time.monotonic()
        while self._stream.position < now and self._open.is_set():
            self.lag_seconds = time.monotonic() - begun
            if self.lag_seconds > SILENCE_SECONDS:
                logger.warning("the change stream is %.1f seconds behind the server's clock", self.lag_seconds)
                await self._stream.close()
                return
            await asyncio.sleep(HEARTBEAT_SECONDS / 10)
        self.lag_seconds = time.monotonic() - begun

    async def _tell_who_may_be_stale(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            limit = time.monotonic() - STALE_SECONDS
            if self._down_since is not None and self._down_since < limit:
                for run in self._runs:
                    self._tell_stale(run)
            for run, since in self._unsettled.items():
                if since < limit:
                    self._tell_stale(run)

    def _tell_stale(self, run: LiveRun[PlanT]) -> None:
        """Sends the last result once more, marked: the next run sends a fresh one, whether or not it differs."""
        if run.told_stale or run.frame is None:
            return
        run.told_stale = True
        stale = run.frame.stale()
        for subscriber in run.subscribers:
            subscriber.offer(stale)


def _report_death(task: asyncio.Task[None]) -> None:
    """A task of the engine ends only when the engine is stopped; else readiness has failed (`LiveEngine.ready`) and the log says why."""
    if not task.cancelled():
        logger.critical("the task %s died", task.get_name(), exc_info=task.exception())
