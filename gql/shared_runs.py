"""Which watchers share which execution: as many as the result is the same for, by what the runs really read of their caller.

How much that is shows only when an operation has run, so an operation that is new here runs for one person at first; once it has shown to
read no more than the account, say, all of the account join that run. Should a later run read more of its caller, they part again, and
what it found goes to those alone whom it is for.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from datastore.scope import Scope
from datastore.versions import BEGINNING, Version
from gql.subscribers import Frame, Subscriber
from resolvers.usage import Sharing

LEARNED_SHAPES: Final = 10_000


class Plan(Protocol):
    """A live operation for one caller: what to run, and whom else its result may be for."""

    @property
    def shape(self) -> Hashable:
        """The operation and its variables, whoever asks."""

    @property
    def scope(self) -> Scope | None:
        """The caller."""

    def key(self, sharing: Sharing) -> Hashable:
        """Equal for the plans that share one execution where a run reads no more of its caller than `sharing` says."""


PlanT = TypeVar("PlanT", bound=Plan)


@dataclass(eq=False, slots=True)
class LiveRun(Generic[PlanT]):
    """One distinct operation of one kind of principal, shared by all who watch it."""

    plan: PlanT
    sharing: Sharing
    key: Hashable
    subscribers: dict[Subscriber, PlanT] = field(default_factory=dict)
    frame: Frame | None = None
    version: Version = BEGINNING
    floor: Version = BEGINNING
    """What the next run must not read before: the newest result that a reconnecting subscriber has."""
    queued: bool = False
    """Whether it is due or under way."""
    failures: int = 0
    told_stale: bool = False
    alarm: asyncio.TimerHandle | None = None
    """Goes off when something that it read off the clock stops being true."""

    def close(self) -> None:
        """Stops its clock, when nobody watches it any more."""
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None


class SharedRuns(Generic[PlanT]):
    """All runs of a process, and who watches which."""

    def __init__(self) -> None:
        self._runs: dict[Hashable, LiveRun[PlanT]] = {}
        self._of: dict[Subscriber, LiveRun[PlanT]] = {}
        self._learned: OrderedDict[Hashable, Sharing] = OrderedDict()

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[LiveRun[PlanT]]:
        return iter(tuple(self._runs.values()))

    def join(self, subscriber: Subscriber, plan: PlanT) -> LiveRun[PlanT]:
        """The run that the subscriber watches from now on; it has no `frame` where it is new or has not ended yet."""
        return self._attach(subscriber, plan, self._learned.get(plan.shape, Sharing.PERSON))

    def leave(self, subscriber: Subscriber) -> LiveRun[PlanT] | None:
        """The run that nobody watches any more now, if that is so."""
        run = self._of.pop(subscriber)
        run.subscribers.pop(subscriber, None)
        return None if run.subscribers else run

    def forget(self, run: LiveRun[PlanT]) -> None:
        """Takes out a run that nobody watches."""
        if self._runs.get(run.key) is run:
            del self._runs[run.key]

    def settle(self, run: LiveRun[PlanT], sharing: Sharing) -> list[LiveRun[PlanT]]:
        """Takes in how much of its caller a run has read now, before its result is handed out.

        Those whom the result is not for leave it for runs of their own, and a run that others share already takes it over. Returns the
        runs that were joined; the run itself may have no subscribers left then.
        """
        sharing = self._learn(run.plan.shape, sharing)
        if sharing == run.sharing:
            return []
        for_these = run.plan.key(sharing)
        self.forget(run)
        run.sharing, run.key = sharing, for_these
        stays = self._runs.setdefault(for_these, run) is run
        joined: dict[LiveRun[PlanT], None] = {}
        for subscriber, plan in tuple(run.subscribers.items()):
            if not stays or plan.key(sharing) != for_these:
                del run.subscribers[subscriber]
                joined[self._attach(subscriber, plan, sharing)] = None
        return list(joined)

    def _attach(self, subscriber: Subscriber, plan: PlanT, sharing: Sharing) -> LiveRun[PlanT]:
        key = plan.key(sharing)
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = LiveRun(plan, sharing, key)
        run.subscribers[subscriber] = plan
        self._of[subscriber] = run
        return run

    def _learn(self, shape: Hashable, sharing: Sharing) -> Sharing:
        """The most that any run of this shape has read: a shape whose runs differ settles on it, instead of parting and joining for
        ever.
        """
        known = max(sharing, self._learned.get(shape, sharing))
        self._learned[shape] = known
        self._learned.move_to_end(shape)
        if len(self._learned) > LEARNED_SHAPES:
            self._learned.popitem(last=False)
        return known
