"""Reads that are asked for in the same turn of the event loop leave as one command.

The idea is DataLoader's (https://github.com/graphql/dataloader): what is asked for waits until everything that can run has run.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from datastore.database import Document
from datastore.ids import prefix_of
from datastore.legs import MAX_LEGS, Leg, Send, by_ids, fetch
from datastore.tables import Row


@dataclass(slots=True)
class _ById:
    """The ids of one table and owner that were asked for in one turn."""

    table: type[Row]
    owner: str | None
    ids: dict[str, None] = field(default_factory=dict)

    def leg(self) -> Leg:
        return by_ids(self.table.spec.name, self.owner, list(self.ids))


@dataclass(slots=True)
class _Waiting:
    """A read that has not been sent, and who waits for it."""

    wanted: Leg | _ById
    answer: asyncio.Future[list[Document]]

    def leg(self) -> Leg:
        return self.wanted if isinstance(self.wanted, Leg) else self.wanted.leg()


class Batcher:
    """The reads of one run on one snapshot (or in one transaction), and the rows it has seen. Dropped with the run.

    `send` sends one command, of at most `max_legs` legs; while `overlapping` is false, one at a time. `end_cursor` needs no snapshot.
    """

    def __init__(self, send: Send, end_cursor: Send | None = None, *, max_legs: int = MAX_LEGS) -> None:
        self._send = send
        self._end_cursor = end_cursor
        self._max_legs = max_legs
        self.overlapping = False
        self._rows: dict[tuple[str | None, str], Row | None] = {}
        self._waiting: list[_Waiting] = []
        self._by_id: dict[tuple[type[Row], str | None], tuple[_ById, asyncio.Future[list[Document]]]] = {}
        self._scheduled = False
        self._under_way: set[asyncio.Task[None]] = set()

    async def fetch(self, leg: Leg) -> list[Document]:
        """The documents of one leg."""
        return await self._wait(leg)

    async def get(self, table: type[Row], owner: str | None, id: str) -> Row | None:
        """The row with this id, if it is the owner's; from memory where the run has met it."""
        if (owner, id) not in self._rows:
            await asyncio.shield(self._join(table, owner, (id,)))
        return self._rows[owner, id]

    async def get_all(self, table: type[Row], owner: str | None, ids: Sequence[str]) -> list[Row | None]:
        """The rows with these ids, as `get` gives each."""
        unknown = [id for id in ids if (owner, id) not in self._rows]
        if unknown:
            await asyncio.shield(self._join(table, owner, unknown))
        return [self._rows[owner, id] for id in ids]

    def remember(self, owner: str | None, id: str, row: Row | None) -> None:
        """Take `row` as what is stored under `id` from now on: the run has just written it."""
        self._rows[owner, id] = row

    def forget(self, table: type[Row]) -> None:
        """Read rows of the table anew: the run has just written some, and cannot say which."""
        self._rows = {key: row for key, row in self._rows.items() if prefix_of(key[1]) != table.spec.prefix}

    def met(self, owner: str | None, rows: Iterable[Row]) -> None:
        """Keep rows that a page read, unless newer ones are known."""
        for row in rows:
            self._rows.setdefault((owner, row.id), row)

    def _join(self, table: type[Row], owner: str | None, ids: Iterable[str]) -> asyncio.Future[list[Document]]:
        if (table, owner) not in self._by_id:
            wanted = _ById(table, owner)
            self._by_id[table, owner] = wanted, self._wait(wanted)
        wanted, answer = self._by_id[table, owner]
        wanted.ids.update(dict.fromkeys(ids))
        return answer

    def _wait(self, wanted: Leg | _ById) -> asyncio.Future[list[Document]]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(wanted, loop.create_future())
        self._waiting.append(waiting)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._dispatch)
        return waiting.answer

    def _dispatch(self) -> None:
        self._scheduled = False
        while self._waiting and (self.overlapping or not self._under_way):
            self._by_id.clear()
            batch = self._next_batch()
            task = asyncio.get_running_loop().create_task(self._serve(batch))
            self._under_way.add(task)
            task.add_done_callback(self._served)

    def _next_batch(self) -> list[_Waiting]:
        """What one command can hold, first come first served."""
        batch: list[_Waiting] = []
        left: list[_Waiting] = []
        hinted = 0
        for waiting in self._waiting:
            needs_hint = isinstance(waiting.wanted, Leg) and waiting.wanted.needs_hint
            fits = len(batch) < self._max_legs and not (needs_hint and hinted)
            (batch if fits else left).append(waiting)
            hinted += fits and needs_hint
        self._waiting = left
        return batch

    def _served(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._dispatch()

    async def _serve(self, batch: Sequence[_Waiting]) -> None:
        try:
            answers = await fetch([waiting.leg() for waiting in batch], self._send, self._end_cursor)
        except Exception as error:  # noqa: BLE001  # handed to everyone who waits for it
            for waiting in batch:
                _fail(waiting.answer, error)
            return
        for waiting, documents in zip(batch, answers, strict=True):
            if isinstance(waiting.wanted, _ById):
                self._absorb(waiting.wanted, documents)
            if not waiting.answer.done():
                waiting.answer.set_result(documents)

    def _absorb(self, wanted: _ById, documents: Iterable[Document]) -> None:
        self.met(wanted.owner, map(wanted.table.from_document, documents))
        for id in wanted.ids:
            self._rows.setdefault((wanted.owner, id), None)


def _fail(answer: asyncio.Future[list[Document]], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # nobody may be waiting any more: that is no reason for a warning
