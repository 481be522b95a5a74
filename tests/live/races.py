"""Steps aimed at the moments in which engines of live queries break: between two reads, while no stream is open, just after a write, when
another comes or goes.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random

from tests.live.attacks import Attack, change_a_column, change_what_is_shown
from tests.live.audience import Audience
from tests.live.bare_writers import tip_the_scale
from tests.live.disturbances import calm, lagging_reads, lose_the_history, slow_all_reads, slow_few_reads, slow_the_stream
from tests.live.questions import Question, ask_for_a_page, the_scale

LIMIT_SECONDS = 3.0
CHANGES, MOST_CHANGES = 6, 40


async def change_while_no_stream_is_open(audience: Audience, random: Random) -> None:
    """Changes what is shown between the end of one stream and the beginning of the next."""
    await _end_the_stream(audience, random)
    for _ in range(CHANGES):
        await change_what_is_shown(audience, random)


async def change_while_everything_runs_again(audience: Audience, random: Random) -> None:
    """Changes what is shown while what has been read anew after an interruption may be older than the stream."""
    await _end_the_stream(audience, random)
    await slow_few_reads(audience.world, random)
    engine = audience.world.api.engine
    runs = engine.counters.runs
    await _soon(lambda: engine.ready or engine.counters.runs > runs)
    for _ in range(MOST_CHANGES):
        if engine.ready:
            break
        await change_what_is_shown(audience, random)


async def change_during_runs(audience: Audience, random: Random) -> None:
    """Changes one thing after the other of what is shown while reads are slow."""
    await slow_all_reads(audience.world, random)
    for _ in range(CHANGES):
        await change_what_is_shown(audience, random)


async def read_behind_the_writes(audience: Audience, random: Random) -> None:
    """Has the server choose old snapshots while somebody changes what is shown, and another comes to see it."""
    with lagging_reads(audience.world, random, share=0.5):
        await audience.come_late(random)
        await change_what_is_shown(audience, random)
        await audience.rest()


async def come_before_the_stream_tells(audience: Audience, random: Random) -> None:
    """Comes late where the stream tells late, too."""
    await slow_the_stream(audience.world, random)
    await audience.come_late(random)
    await calm(audience.world)


async def tip_the_scale_while_it_is_read(audience: Audience, random: Random) -> None:
    """Writes one transaction after the other to rows that a run reads with more than one command."""
    world, shop = audience.world, random.choice(audience.world.shops)
    question = Question(f"{{ {await the_scale(world, shop, random)} }}", shop.device(random))
    await slow_all_reads(world, random)
    watching = asyncio.create_task(audience.watch_this(question))
    try:
        while not watching.done():
            await tip_the_scale(world, shop, random)
    finally:
        await watching


async def ask_as_somebody_else(audience: Audience, random: Random) -> None:
    """Asks in another business what is asked in one, and changes what either is shown."""
    question = await ask_for_a_page(audience.world, random.choice(audience.world.shops), random, going_on=False)
    stranger = random.choice([shop for shop in audience.world.shops if shop.account_id != question.person.account_id])
    both = [await audience.watch_this(each) for each in (question, Question(question.selection, stranger.device(random)))]
    pages = [page for watched in both if watched is not None for page in watched.sights() if page.is_page("products") and page.rows]
    for page in pages:
        await change_a_column(audience, page, random)


async def sign_a_watcher_out(audience: Audience, random: Random) -> None:
    """Signs the device of somebody who watches out, and another one in."""
    if audience.watched:
        await audience.sign_out(random.choice(audience.watched).question.person)


RACES: tuple[Attack, ...] = (
    change_while_no_stream_is_open,
    change_while_everything_runs_again,
    change_during_runs,
    read_behind_the_writes,
    come_before_the_stream_tells,
    tip_the_scale_while_it_is_read,
    ask_as_somebody_else,
    sign_a_watcher_out,
)
"""Every kind of race."""


async def _end_the_stream(audience: Audience, random: Random) -> None:
    """Ends the stream in a way from which it does not resume; when this returns, it is not open again yet."""
    world = audience.world
    await lose_the_history(world, random)
    # An event that nobody can see: with it the request that is under way is answered, and the next one fails.
    await world.driver.products.update_one({"_id": random.choice(world.shops).scale[0]}, {"$inc": {"guard": 1}})
    await _soon(lambda: not world.api.engine.ready)


async def _soon(condition: Callable[[], bool]) -> None:
    """Waits for a condition, or for so long as it may take to be worth it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LIMIT_SECONDS):
            while not condition():
                await asyncio.sleep(0.001)
