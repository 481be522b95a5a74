"""The soak: random writers, watchers and disturbances, and after each pause every last result held against a fresh query.

`bench/soak.py` runs it for minutes, `test_soak.py` for seconds, `test_state_machine.py` lets Hypothesis choose its steps. The seed decides
what is done, not how it interleaves: the servers are real.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Iterable
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any

from datastore.errors import TillstreamError
from datastore.versions import Version
from tests.gql.api import Watching
from tests.live.disturbances import calm, disturb, disturbances_ending, lagging_reads
from tests.live.promises import BrokenPromiseError, check_results, is_stale
from tests.live.questions import Question, ask
from tests.live.shops import World, objects
from tests.live.writers import rename, write

MOST_WATCHERS = 20
ROUNDS_OF_A_SHOP = 30
"""Then new shops open: rows must not pile up."""

LIMIT_SECONDS = 2.0
"""How long what was sent may take to be noted by its watcher, once the engine rests."""

ENDINGS = {"UNAUTHENTICATED", "UNAVAILABLE"}


@dataclass
class Report:
    """What a soak did and what it cost. A needless run is one that was woken or begun anew and found what was known."""

    rounds: int = 0
    writes: int = 0
    refused_writes: int = 0
    watchers: int = 0
    results: int = 0
    runs: int = 0
    wakes: int = 0
    needless_runs: int = 0
    streams_opened: int = 0

    def rows(self) -> list[list[str]]:
        """For a table."""
        return [[column.name.replace("_", " "), str(getattr(self, column.name))] for column in fields(self)]


@dataclass(eq=False)
class Watched:
    """One watcher of one question."""

    question: Question
    watching: Watching
    leaving: AsyncExitStack
    begun_at: Version
    checked: int = 0


class Soak:
    """The steps of a soak. Whoever calls them decides in which order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.watched: list[Watched] = []
        self.report = Report()
        self._before = replace(world.api.engine.counters)

    # --- watchers ---

    async def watch(self, random: Random) -> None:
        """A new watcher of a new question, once it has its first result."""
        await self._watch(await ask(self.world, random.choice(self.world.shops), random))

    async def watch_again(self, random: Random) -> None:
        """A second watcher of a question that is watched already: on the same device or another, of the same business or another."""
        if self.watched:
            question = random.choice(self.watched).question
            home = [shop for shop in self.world.shops if shop.account_id == question.person.account_id]
            shop = random.choice(home if "after:" in question.selection else [*home, *self.world.shops])
            await self._watch(Question(question.selection, shop.device(random)))

    async def come_late(self, random: Random) -> None:
        """Changes a product that somebody watches, and watches the same as soon as that is acknowledged."""
        shown = [(watched.question, row["id"]) for watched in self.watched for row in objects(watched.watching.last) if "stock" in row]
        if shown:
            question, id = random.choice(shown)
            home = next(shop for shop in self.world.shops if shop.account_id == question.person.account_id)
            await rename(self.world, home, random, id)
            await self._watch(Question(question.selection, home.device(random)))

    async def _watch(self, question: Question) -> None:
        begun_at = self.world.acknowledged
        async with AsyncExitStack() as leaving:
            try:
                watching = await leaving.enter_async_context(self.world.api.watch(question.live, caller=question.person))
            except TimeoutError:
                raise BrokenPromiseError(f"no first result of {question.live}") from None
            except TillstreamError:  # signed out meanwhile
                return
            self.watched.append(Watched(question, watching, leaving.pop_all(), begun_at))
            self.report.watchers += 1

    async def leave(self, random: Random) -> None:
        """A watcher goes, its results checked."""
        if self.watched:
            await self._drop(random.choice(self.watched))

    async def _drop(self, watched: Watched) -> None:
        self.watched.remove(watched)
        self._check(watched)
        await watched.leaving.aclose()

    async def close(self) -> None:
        """Everybody goes, unchecked."""
        for watched in self.watched:
            await watched.leaving.aclose()
        self.watched.clear()

    # --- what happens meanwhile ---

    async def write(self, random: Random, count: int = 1) -> None:
        """So many writes, one after the other."""
        for _ in range(count):
            await write(self.world, random)

    async def disturb(self, random: Random) -> None:
        """Something goes wrong around the engine."""
        await disturb(self.world, random)

    async def sign_out(self, random: Random) -> None:
        """A device signs out, and another comes in its place."""
        shop = random.choice(self.world.shops)
        device = shop.devices.pop(random.randrange(len(shop.devices)))
        shop.signed_out.append(device)
        await self.world.api.data("mutation { signOut }", caller=device)
        shop.devices.append(await self.world.sign_in(device))

    async def burst(self, random: Random) -> None:
        """Much at once: three writers, a new watcher or two, and something that goes wrong, or not."""
        # Each task has a source of its own, so that what it does is not decided by how the others are scheduled.
        own = [Random(random.getrandbits(64)) for _ in range(7)]
        steps: list[Awaitable[object]] = [self.write(source, random.randint(1, 6)) for source in own[:3]]
        steps.append(self.watch(own[3]))
        if random.random() < 0.5:
            steps.append(self.watch_again(own[4]))
        if random.random() < 0.5:
            steps.append(self.come_late(own[5]))
        if random.random() < 0.4:
            steps.append(self.disturb(own[6]))
        with lagging_reads(own[6]) if random.random() < 0.4 else nullcontext():
            await _together(steps)

    # --- the oracle ---

    async def pause(self) -> None:
        """Waits until everything rests, and holds every last result against a fresh query."""
        await calm(self.world)
        try:
            await self.world.api.settle()
        except TimeoutError:
            raise BrokenPromiseError("the engine does not come to rest") from None
        if not self.world.api.engine.ready:
            raise BrokenPromiseError("the engine is not ready")
        for watched in tuple(self.watched):
            self._check(watched)
            await self._compare(watched)

    def _check(self, watched: Watched) -> None:
        results = watched.watching.results
        check_results(self.world, results, watched.checked, watched.begun_at)
        self.report.results += len(results) - watched.checked
        watched.checked = len(results)

    async def _compare(self, watched: Watched) -> None:
        device = watched.question.person
        if any(device in shop.signed_out for shop in self.world.shops):
            await self._until_ended(watched)
            await self._drop(watched)
        elif _ended_with(watched) == {"UNAVAILABLE"} and len(watched.watching.results) == 1:
            await self._drop(watched)
        else:
            fresh = await self.world.api.data(watched.question.query, caller=device)
            await _within_the_limit(watched, lambda last: _shows(last, fresh), fresh)

    async def _until_ended(self, watched: Watched) -> None:
        await _within_the_limit(watched, lambda _: bool(_ended_with(watched)), "the end of the session")

    # --- all of it ---

    async def round(self, random: Random) -> None:
        """One round of everything."""
        if self.report.rounds % ROUNDS_OF_A_SHOP == 0:
            await self._open_new_shops(random)
        for _ in range(random.randint(1, 3)):
            await self.watch(random)
        if random.random() < 0.15:
            await self.sign_out(random)
        for _ in range(random.randint(1, 2)):
            await self.burst(random)
        await self.pause()
        while len(self.watched) > random.randint(8, MOST_WATCHERS):
            await self.leave(random)
        self.report.rounds += 1

    async def _open_new_shops(self, random: Random) -> None:
        while self.watched:
            await self._drop(self.watched[0])
        self.world.shops.clear()
        await self.world.open_shops(random)
        await _together([self.watch(Random(random.getrandbits(64))) for _ in range(8)])

    def finish(self) -> Report:
        """The report, the engine's counters in it."""
        counters, before = self.world.api.engine.counters, self._before
        self.report.writes = self.world.writes
        self.report.refused_writes = sum(self.world.refusals.values())
        self.report.runs, self.report.wakes = counters.runs - before.runs, counters.wakes - before.wakes
        self.report.needless_runs = counters.unchanged_runs - before.unchanged_runs
        self.report.streams_opened = counters.streams_opened - before.streams_opened
        return self.report


async def run_soak(world: World, seed: int, seconds: float) -> Report:
    """Rounds for so long. Raises BrokenPromiseError, naming what was broken, in the round that finds it."""
    soak, random = Soak(world), Random(seed)
    deadline = time.monotonic() + seconds
    async with disturbances_ending(world):
        try:
            while time.monotonic() < deadline:
                await soak.round(random)
        finally:
            await soak.close()
    return soak.finish()


async def _together(steps: Iterable[Awaitable[object]]) -> None:
    """All at once; when all have ended, the first error is raised."""
    for outcome in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def _within_the_limit(watched: Watched, holds: Any, expected: object) -> None:
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await watched.watching.until(lambda: holds(watched.watching.last))
    except TimeoutError:
        last = watched.watching.last
        raise BrokenPromiseError(f"stale: {watched.question.live}\nshows    {last}\nexpected {expected}") from None


def _shows(result: dict[str, Any], fresh: dict[str, Any]) -> bool:
    return "errors" not in result and result["data"]["live"] == fresh and not is_stale(result)


def _ended_with(watched: Watched) -> set[str]:
    """The codes with which the operation was ended; none where it goes on."""
    last = watched.watching.last
    codes = Counter(error["extensions"]["code"] for error in last.get("errors", []))
    if not codes.keys() <= ENDINGS:
        raise BrokenPromiseError(f"{watched.question.live} ended with {last}")
    return set(codes)
