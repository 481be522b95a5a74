import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from datastore.errors import UnavailableError
from datastore.turns import MOST_TOGETHER, Errand, Turns

LIMIT_SECONDS = 10


@asynccontextmanager
async def held(turns: Turns, key: str) -> AsyncIterator[None]:
    """A key that somebody holds, who lets go at the end."""
    async with asyncio.timeout(LIMIT_SECONDS), turns.turn(key):
        yield


async def in_line(turns: Turns, order: list[int], number: int, work: Callable[[], Awaitable[None]] | None = None) -> None:
    """Takes a turn, and notes that it came."""
    async with turns.turn("a"):
        order.append(number)
        if work is not None:
            await work()


async def begun(*tasks: asyncio.Task[Any]) -> None:
    """Lets tasks run until each waits for something."""
    for _ in range(3 * len(tasks)):
        await asyncio.sleep(0)


async def test_turns_of_one_key_are_taken_one_at_a_time_first_come_first_served() -> None:
    turns, order, inside = Turns(), list[int](), 0

    async def alone() -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        await asyncio.sleep(0)
        inside -= 1

    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.gather(*(in_line(turns, order, number, alone) for number in range(20)))
    assert order == list(range(20))
    assert len(turns) == 0


async def test_keys_do_not_wait_for_each_other() -> None:
    turns = Turns()
    async with held(turns, "a"), held(turns, "b"):
        assert len(turns) == 2
    assert len(turns) == 0


async def test_a_turn_ends_with_an_error_too() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        async with turns.turn("a"):
            raise ZeroDivisionError
    async with held(turns, "a"):
        assert len(turns) == 1
    assert len(turns) == 0


async def test_who_is_cancelled_in_line_leaves_it() -> None:
    turns, order = Turns(), list[int]()
    async with held(turns, "a"):
        waiting = [asyncio.create_task(in_line(turns, order, number)) for number in range(4)]
        await begun(*waiting)
        waiting[0].cancel()
        waiting[2].cancel()
        await asyncio.wait([waiting[0], waiting[2]])
    await asyncio.gather(waiting[1], waiting[3])
    assert order == [1, 3]
    assert len(turns) == 0


async def test_who_is_cancelled_before_it_has_left_the_line_is_passed_over() -> None:
    turns, order = Turns(), list[int]()
    async with held(turns, "a"):
        waiting = [asyncio.create_task(in_line(turns, order, number)) for number in range(2)]
        await begun(*waiting)
        waiting[0].cancel()  # and the turn ends before the task runs again
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == [1]
    assert len(turns) == 0


async def test_who_is_cancelled_when_called_passes_the_turn_on() -> None:
    turns, order = Turns(), list[int]()
    async with held(turns, "a"):
        waiting = [asyncio.create_task(in_line(turns, order, number)) for number in range(2)]
        await begun(*waiting)
    waiting[0].cancel()  # its turn has come, but it has not run yet
    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.gather(*waiting, return_exceptions=True)
    assert order == [1]
    assert len(turns) == 0


async def test_who_waits_too_long_is_told_so_and_leaves_the_line() -> None:
    turns = Turns(patience=0.02)
    async with held(turns, "a"):
        with pytest.raises(UnavailableError, match="Try again"):
            await in_line(turns, [], 1)
    assert len(turns) == 0


async def carried_out(turns: Turns, parties: list[list[int]], number: int) -> int:
    """Work that is done together with that of others; twice the number comes of it."""

    async def carry_out(errands: Sequence[Errand[int, int]]) -> None:
        parties.append([one.work for one in errands])
        await asyncio.sleep(0)
        for one in errands:
            one.succeed(2 * one.work) if one.work >= 0 else one.fail(ValueError(one.work))

    return await turns.together("a", number, carry_out)


async def test_those_who_wait_are_carried_out_by_whoever_comes_first() -> None:
    turns, parties = Turns(), list[list[int]]()
    async with asyncio.timeout(LIMIT_SECONDS):
        outcomes = await asyncio.gather(*(carried_out(turns, parties, number) for number in (1, 2, -3, 4)), return_exceptions=True)
    assert parties == [[1], [2, -3, 4]]
    assert [str(one) for one in outcomes] == ["2", "4", "-3", "8"]
    assert len(turns) == 0


async def test_a_party_has_an_end_and_passes_nobody_who_wants_a_turn_alone() -> None:
    turns, parties, order = Turns(), list[list[int]](), list[int]()
    async with held(turns, "a"):
        together = [asyncio.create_task(carried_out(turns, parties, number)) for number in range(MOST_TOGETHER + 2)]
        await begun(*together)
        alone = asyncio.create_task(in_line(turns, order, 1))
        await begun(alone)
        last = asyncio.create_task(carried_out(turns, parties, 99))
        await begun(last)
    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.gather(*together, alone, last)
    assert [len(party) for party in parties] == [MOST_TOGETHER, 2, 1]
    assert order == [1]


async def test_who_leaves_the_line_takes_the_errand_along() -> None:
    turns, parties = Turns(), list[list[int]]()
    async with held(turns, "a"):
        waiting = [asyncio.create_task(carried_out(turns, parties, number)) for number in range(4)]
        await begun(*waiting)
        waiting[0].cancel()
        waiting[2].cancel()
        await asyncio.wait([waiting[0], waiting[2]])
    async with asyncio.timeout(LIMIT_SECONDS):
        assert [await waiting[1], await waiting[3]] == [2, 6]
    assert parties == [[1, 3]]
    assert len(turns) == 0


async def test_who_is_carried_out_at_the_very_moment_that_patience_ends_is_told_what_came_of_it() -> None:
    turns, parties = Turns(patience=0.02), list[list[int]]()
    async with held(turns, "a"):
        waiting = [asyncio.create_task(carried_out(turns, parties, number)) for number in (1, 2)]
        await begun(*waiting)
        over = time.monotonic() + 0.04
        while time.monotonic() < over:  # the loop is held up: the turn comes, and the time is over, before any of them runs again
            pass
    async with asyncio.timeout(LIMIT_SECONDS):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert parties == [[1, 2]]
    assert outcomes == [2, 4]
    assert len(turns) == 0
