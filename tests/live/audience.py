"""Who watches during a soak, and the oracle: once everything rests, every last result is held against a fresh query."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random
from typing import Any

from datastore.errors import TillstreamError
from datastore.versions import Version
from tests.gql.api import Person, Watching
from tests.live.disturbances import calm
from tests.live.promises import BrokenPromiseError, check_results, is_stale
from tests.live.questions import Question, ask
from tests.live.shops import Shop, World, objects
from tests.live.sights import Sight, sights
from tests.live.writers import rename

LIMIT_SECONDS = 2.0
"""How long what was sent may take to be noted by its watcher, once the engine rests."""

ENDINGS = {"UNAUTHENTICATED", "UNAVAILABLE"}


@dataclass(eq=False)
class Watched:
    """One watcher of one question."""

    question: Question
    watching: Watching
    leaving: AsyncExitStack
    begun_at: Version
    checked: int = 0

    @property
    def shown(self) -> dict[str, Any] | None:
        """The data of the last result; None where the operation was ended."""
        data: dict[str, Any] | None = (self.watching.last.get("data") or {}).get("live")
        return data

    def sights(self) -> list[Sight]:
        """All that is before them now."""
        return [] if self.shown is None else list(sights(self.question, self.shown))


class Audience:
    """All watchers of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.watched: list[Watched] = []
        self.came = 0
        self.results = 0

    def home(self, person: Person) -> Shop:
        """The shop that somebody belongs to."""
        return next(shop for shop in self.world.shops if shop.account_id == person.account_id)

    def sights(self) -> list[Sight]:
        """All that is before anybody now."""
        return [sight for watched in self.watched for sight in watched.sights()]

    # --- coming and going ---

    async def watch(self, random: Random) -> None:
        """A new watcher of a new question, once it has its first result."""
        await self.watch_this(await ask(self.world, random.choice(self.world.shops), random))

    async def watch_again(self, random: Random) -> None:
        """A second watcher of a question that is watched already: on the same device or another, of the same business or another."""
        if self.watched:
            question = random.choice(self.watched).question
            home = self.home(question.person)
            shop = home if "after:" in question.selection else random.choice([home, *self.world.shops])
            await self.watch_this(Question(question.selection, shop.device(random)))

    async def come_late(self, random: Random) -> None:
        """Changes a product that somebody watches, and watches the same as soon as that is acknowledged."""
        shown = [(watched.question, row["id"]) for watched in self.watched for row in objects(watched.shown) if "stock" in row]
        if shown:
            question, id = random.choice(shown)
            home = self.home(question.person)
            await rename(self.world, home, random, id)
            await self.watch_this(Question(question.selection, home.device(random)))

    async def watch_this(self, question: Question) -> Watched | None:
        """A watcher of this question, once it has its first result; None where the device has been signed out meanwhile."""
        begun_at = self.world.acknowledged
        async with AsyncExitStack() as leaving:
            try:
                watching = await leaving.enter_async_context(self.world.api.watch(question.live, caller=question.person))
            except TimeoutError:
                raise BrokenPromiseError(f"no first result of {question.live}") from None
            except TillstreamError:
                return None
            watched = Watched(question, watching, leaving.pop_all(), begun_at)
            self.watched.append(watched)
            self.came += 1
            return watched

    async def leave(self, random: Random) -> None:
        """A watcher goes, its results checked."""
        if self.watched:
            await self._drop(random.choice(self.watched))

    async def all_leave(self) -> None:
        """Everybody goes, their results checked."""
        while self.watched:
            await self._drop(self.watched[0])

    async def close(self) -> None:
        """Everybody goes, unchecked."""
        for watched in self.watched:
            await watched.leaving.aclose()
        self.watched.clear()

    async def _drop(self, watched: Watched) -> None:
        self.watched.remove(watched)
        self._check(watched)
        await watched.leaving.aclose()

    async def sign_out(self, device: Person) -> None:
        """A device signs out, and another comes in its place."""
        home = self.home(device)
        if device in home.devices:
            home.devices.remove(device)
            home.signed_out.append(device)
            await self.world.api.data("mutation { signOut }", caller=device)
            home.devices.append(await self.world.sign_in(device))

    # --- the oracle ---

    async def rest(self) -> None:
        """Ends what disturbs, and waits until the engine rests."""
        await calm(self.world)
        try:
            await self.world.api.settle()
        except TimeoutError:
            raise BrokenPromiseError("the engine does not come to rest") from None
        if not self.world.api.engine.ready:
            raise BrokenPromiseError("the engine is not ready")

    async def check_all(self) -> None:
        """Waits until everything rests, and holds every last result against a fresh query."""
        await self.rest()
        for watched in self.watched:
            self._check(watched)
        await together(map(self._compare, tuple(self.watched)))

    def _check(self, watched: Watched) -> None:
        results = watched.watching.results
        check_results(self.world, results, watched.checked, watched.begun_at)
        self.results += len(results) - watched.checked
        watched.checked = len(results)

    async def _compare(self, watched: Watched) -> None:
        device = watched.question.person
        if any(device in shop.signed_out for shop in self.world.shops):
            await _within_the_limit(watched, lambda _: bool(_ended_with(watched)), "the end of the session")
            await self._drop(watched)
        elif _ended_with(watched) == {"UNAVAILABLE"} and len(watched.watching.results) == 1:
            await self._drop(watched)
        else:
            fresh = await self.world.api.data(watched.question.query, caller=device)
            await _within_the_limit(watched, lambda last: _shows(last, fresh), fresh)


async def together(steps: Iterable[Awaitable[object]]) -> None:
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
