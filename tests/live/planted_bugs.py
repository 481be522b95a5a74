"""Bugs planted one at a time in the matcher, the recording of read sets, and the engine: what a soak is worth is which of them it finds.

Each takes one clause of the argument in docs/decisions/0003 away.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from datastore import matching, paging, reading
from datastore.changes import Change
from datastore.read_set import Interval, ReadSet
from datastore.versions import BEGINNING
from gql import change_log, live, service
from gql.rights import WatchedSessions
from gql.shared_runs import LiveRun
from gql.subscribers import Subscriber

Plant = Callable[[pytest.MonkeyPatch], None]


def _changes_seen_as(monkeypatch: pytest.MonkeyPatch, seen_as: Callable[[Change], Change]) -> None:
    """The matcher, both as the index of what sleeps and as the check of one run's log, sees changes otherwise than they are."""
    touched, touches = matching.Matcher.touched, matching.touches
    monkeypatch.setattr(matching.Matcher, "touched", lambda self, change: touched(self, seen_as(change)))
    monkeypatch.setattr(change_log, "touches", lambda read_set, change: touches(read_set, seen_as(change)))


def ids_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen and changes where it stays outside all intervals, or is deleted, wakes nobody."""
    _changes_seen_as(monkeypatch, lambda change: replace(change, id=""))


def intervals_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes into a list wakes nobody."""
    _changes_seen_as(monkeypatch, lambda change: replace(change, row=None))


def intervals_are_for_new_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that moves into a list wakes nobody."""
    _changes_seen_as(monkeypatch, lambda change: change if change.kind == "insert" else replace(change, row=None))


def deletions_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that goes wakes nobody."""
    _changes_seen_as(monkeypatch, lambda change: replace(change, id="") if change.kind == "delete" else change)


def every_update_is_taken_for_a_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one change that wakes nobody is taken to be any update."""
    monkeypatch.setattr(matching, "_can_be_read", lambda change: change.fields is None)


def what_was_not_found_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id that was asked for in vain is not waited for."""
    get = reading.Snapshot.get

    async def forgetful(self: reading.Snapshot, table: Any, owner: str | None, id: str) -> Any:
        row = await get(self, table, owner, id)
        if row is None:
            self.read_set.seen.discard(id)
        return row

    monkeypatch.setattr(reading.Snapshot, "get", forgetful)


def _scans_recorded_as(monkeypatch: pytest.MonkeyPatch, record: Callable[[reading.Snapshot, paging.Scan, list[Any], int], None]) -> None:
    async def scan(self: reading.Snapshot, scan: paging.Scan, limit: int) -> list[Any]:
        leg = scan.leg(limit)
        if leg is None:
            return []
        documents = await self._batcher.fetch(leg)
        record(self, scan, documents, limit)
        return documents

    monkeypatch.setattr(reading.Snapshot, "scan", scan)


def the_extra_row_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row that answers `hasNextPage` is neither seen nor in the interval."""

    def record(snapshot: reading.Snapshot, scan: paging.Scan, documents: list[Any], limit: int) -> None:
        full = len(documents) == limit
        shown = documents[:-1] if full else documents
        snapshot.read_set.scanned(scan.interval(shown[-1] if full else None))
        snapshot.read_set.seen.update(document["_id"] for document in shown)

    _scans_recorded_as(monkeypatch, record)


def the_interval_of_a_full_page_ends_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval of a page ends at its first row."""

    def record(snapshot: reading.Snapshot, scan: paging.Scan, documents: list[Any], limit: int) -> None:
        snapshot.read_set.scanned(scan.interval(documents[0] if len(documents) == limit else None))
        snapshot.read_set.seen.update(document["_id"] for document in documents)

    _scans_recorded_as(monkeypatch, record)


def empty_lists_are_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list in which nothing was found is not waited for."""

    def record(snapshot: reading.Snapshot, scan: paging.Scan, documents: list[Any], limit: int) -> None:
        if documents:
            snapshot.read_set.scanned(scan.interval(documents[-1] if len(documents) == limit else None))
        snapshot.read_set.seen.update(document["_id"] for document in documents)

    _scans_recorded_as(monkeypatch, record)


def descending_pages_are_taken_for_ascending_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval of a full page that goes down lies on the wrong side of its last row."""
    interval = paging.Scan.interval

    def turned(self: paging.Scan, last: Mapping[str, Any] | None = None) -> Interval:
        return interval(self if last is None else replace(self, descending=False), last)

    monkeypatch.setattr(paging.Scan, "interval", turned)


def only_the_first_read_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested lists read without a trace."""
    scanned = ReadSet.scanned

    def once(self: ReadSet, interval: Interval) -> None:
        if not self.intervals:
            scanned(self, interval)

    monkeypatch.setattr(ReadSet, "scanned", once)


def the_read_set_of_the_first_run_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that reads otherwise than the one before leaves what was registered."""
    register = matching.Matcher.register
    first: dict[Any, ReadSet] = {}

    def keep(self: matching.Matcher[Any], key: Any, read_set: ReadSet) -> None:
        register(self, key, first.setdefault(key, read_set))

    monkeypatch.setattr(matching.Matcher, "register", keep)


def changes_during_a_run_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is not looked through when a run ends."""
    monkeypatch.setattr(change_log.ChangeLog, "may_have_changed", lambda _self, _version, _read_set: False)


def the_stream_is_opened_after_the_first_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recovery runs everything first and opens the stream then."""

    async def begin(self: live.LiveEngine[Any]) -> None:
        self._log.begin(BEGINNING)
        for run in self._runs:
            self._mark_dirty(run)
        while any(run.queued for run in self._runs):
            await asyncio.sleep(0.001)
        await self._stream.open()
        _opened(self)

    monkeypatch.setattr(live.LiveEngine, "_begin", begin)


def nothing_runs_again_on_a_fresh_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changed while there was no stream is missed."""

    async def begin(self: live.LiveEngine[Any]) -> None:
        self._log.begin(await self._stream.open())
        _opened(self)

    monkeypatch.setattr(live.LiveEngine, "_begin", begin)


def _opened(engine: live.LiveEngine[Any]) -> None:
    engine.counters.streams_opened += 1
    engine._down_since = None
    engine._open.set()
    engine._sessions.doubt_all()


def the_floor_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run reads whatever snapshot the server chooses."""
    execute = service.GraphQLService.execute_live
    monkeypatch.setattr(service.GraphQLService, "execute_live", lambda self, plan, _floor: execute(self, plan, BEGINNING))


def every_read_has_a_snapshot_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nested reads of a run are of later moments than its first."""
    send = reading.Snapshot._send

    async def newest(self: reading.Snapshot, command: dict[str, Any]) -> dict[str, Any]:
        if self.version is None:
            return await send(self, command)
        return await self._read_newest(command)

    monkeypatch.setattr(reading.Snapshot, "_send", newest)


def who_comes_late_is_given_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late subscriber gets the last result, though a mutation that was acknowledged is not in it."""
    put_on = live.LiveEngine._put_on

    def greet(self: live.LiveEngine[Any], run: LiveRun[Any], subscriber: Subscriber, *others: Any) -> None:
        if run.frame is None:
            put_on(self, run, subscriber, *others)
        else:
            subscriber.offer(run.frame)

    monkeypatch.setattr(live.LiveEngine, "_put_on", greet)


def everybody_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal operations of different people are taken for one."""
    monkeypatch.setattr(service.LivePlan, "key", lambda self, _sharing: self.shape)


def sessions_are_never_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who signed out goes on watching."""
    monkeypatch.setattr(WatchedSessions, "doubt", lambda _self, _session_id: None)
    monkeypatch.setattr(WatchedSessions, "doubt_all", lambda _self: None)


def no_column_of_a_row_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the rows seen, only the keys of lists are taken to matter."""
    used = ReadSet.columns_used

    def less(self: ReadSet, table: str) -> frozenset[str] | None:
        return None if used(self, table) is None else frozenset()

    monkeypatch.setattr(ReadSet, "columns_used", less)


def keys_of_lists_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row seen that moves in its list wakes only who selected the column it is ordered by."""
    monkeypatch.setattr(matching, "_columns_that_matter", lambda read_set, table: read_set.columns_used(table))


PLANTED_BUGS: tuple[Plant, ...] = (
    ids_are_ignored,
    intervals_are_ignored,
    intervals_are_for_new_rows_only,
    deletions_are_ignored,
    every_update_is_taken_for_a_guard,
    what_was_not_found_is_not_recorded,
    the_extra_row_is_not_recorded,
    the_interval_of_a_full_page_ends_too_early,
    empty_lists_are_not_recorded,
    descending_pages_are_taken_for_ascending_ones,
    only_the_first_read_is_recorded,
    the_read_set_of_the_first_run_is_kept,
    changes_during_a_run_are_forgotten,
    the_stream_is_opened_after_the_first_read,
    nothing_runs_again_on_a_fresh_stream,
    the_floor_is_ignored,
    every_read_has_a_snapshot_of_its_own,
    who_comes_late_is_given_what_is_there,
    everybody_shares,
    sessions_are_never_doubted,
    no_column_of_a_row_matters,
    keys_of_lists_do_not_matter,
)
