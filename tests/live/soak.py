"""The soak: random writers, watchers, attacks and disturbances, and after each pause every last result held against a fresh query.

`bench/soak.py` runs it for minutes, `test_soak.py` for seconds, `test_state_machine.py` lets Hypothesis choose its steps. The seed decides
what is done, not how it interleaves: the servers are real.
"""

import time
from collections.abc import Awaitable
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from random import Random

from tests.live.attacks import ATTACKS, Attack
from tests.live.audience import Audience, together
from tests.live.disturbances import disturb, disturbances_ending, lagging_reads
from tests.live.races import RACES
from tests.live.shops import World
from tests.live.writers import write

MOST_WATCHERS = 20
ROUNDS_OF_A_SHOP = 20
"""Then new shops open: rows must not pile up."""

ATTACKS_OF_A_ROUND = 9
TARGETS_OF_AN_ATTACK = 3


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


class Soak:
    """The steps of a soak. Whoever calls them decides in which order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.audience = Audience(world)
        self.report = Report()
        self._before = replace(world.api.engine.counters)
        self._attacks: list[Attack] = []

    async def write(self, random: Random, count: int = 1) -> None:
        """So many writes, one after the other."""
        for _ in range(count):
            await write(self.world, random)

    async def attack(self, random: Random) -> None:
        """One kind of attack, on a few targets, or a race. Each kind has its turn before any comes again."""
        if not self._attacks:
            self._attacks = random.sample((*ATTACKS, *RACES), len(ATTACKS) + len(RACES))
        attack = self._attacks.pop()
        for _ in range(TARGETS_OF_AN_ATTACK if attack in ATTACKS else 1):
            await attack(self.audience, random)

    async def disturb(self, random: Random) -> None:
        """Something goes wrong around the engine."""
        await disturb(self.world, random)

    async def sign_out(self, random: Random) -> None:
        """A device signs out, and another comes in its place."""
        await self.audience.sign_out(random.choice(self.world.shops).device(random))

    async def burst(self, random: Random) -> None:
        """Much at once: three writers, an attack, a new watcher or two, and something that goes wrong, or not."""
        # Each task has a source of its own, so that what it does is not decided by how the others are scheduled.
        own = [Random(random.getrandbits(64)) for _ in range(8)]
        steps: list[Awaitable[object]] = [self.write(source, random.randint(1, 6)) for source in own[:3]]
        steps.append(self.audience.watch(own[3]))
        if random.random() < 0.5:
            steps.append(self.audience.watch_again(own[4]))
        if random.random() < 0.5:
            steps.append(self.audience.come_late(own[5]))
        if random.random() < 0.4:
            steps.append(self.disturb(own[6]))
        if random.random() < 0.5:
            steps.append(random.choice(ATTACKS)(self.audience, own[7]))
        with lagging_reads(self.world, own[6]) if random.random() < 0.4 else nullcontext():
            await together(steps)

    async def pause(self) -> None:
        """Waits until everything rests, and holds every last result against a fresh query."""
        await self.audience.check_all()

    async def round(self, random: Random) -> None:
        """One round of everything: attacks one by one, so that nothing else wakes whom they aim at, and then much at once."""
        if self.report.rounds % ROUNDS_OF_A_SHOP == 0:
            await self._open_new_shops(random)
        for _ in range(random.randint(1, 3)):
            await self.audience.watch(random)
        for _ in range(ATTACKS_OF_A_ROUND):
            await self.attack(random)
            await self.pause()
            await self._thin_out(random)
        if random.random() < 0.15:
            await self.sign_out(random)
        for _ in range(random.randint(1, 2)):
            await self.burst(random)
        await self.pause()
        await self._thin_out(random)
        self.report.rounds += 1

    async def _thin_out(self, random: Random) -> None:
        while len(self.audience.watched) > random.randint(8, MOST_WATCHERS):
            await self.audience.leave(random)

    async def _open_new_shops(self, random: Random) -> None:
        await self.audience.all_leave()
        self.world.shops.clear()
        await self.world.open_shops(random)
        await together([self.audience.watch(Random(random.getrandbits(64))) for _ in range(8)])

    def finish(self) -> Report:
        """The report, the engine's counters in it."""
        counters, before = self.world.api.engine.counters, self._before
        self.report.writes = self.world.writes
        self.report.refused_writes = sum(self.world.refusals.values())
        self.report.watchers, self.report.results = self.audience.came, self.audience.results
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
            await soak.audience.close()
    return soak.finish()
