"""What the live engine agrees on with those around it: who executes, who streams, who listens, who counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from datastore.changes import Change
from datastore.read_set import ReadSet
from datastore.versions import Version
from resolvers.usage import Sharing


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run found: `body` is the encoded response object without extensions, read at `version`.

    `final`: the operation can never succeed as it stands (nobody is signed in, an argument is invalid), so it ends with these errors.
    `sharing` says whom the result is the same for, `until` when something that the run read off the clock stops being true.
    """

    body: bytes
    has_data: bool
    version: Version
    read_set: ReadSet
    final: bool = False
    sharing: Sharing = Sharing.PERSON
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How many operations may be watched at once, equal ones counted each: by one user, in this process, and by all who are not signed in
    at one network (None: any number).
    """

    per_user: int
    per_process: int
    per_network: int | None = None


class Stream(Protocol):
    """The change stream, as the engine uses it (`datastore.changes.ChangeStream`)."""

    position: Version

    async def open(self) -> Version:
        """Opens a fresh stream; it misses nothing after the version returned."""

    async def next_batch(self) -> list[Change]:
        """The next changes; raises StreamLostError when a fresh stream is needed."""

    async def close(self) -> None:
        """Closes the stream."""


class Listener(Protocol):
    """Who is told of all that the stream brings (`gql.feed.Feed`)."""

    def begin(self, version: Version) -> None:
        """A fresh stream, which misses nothing after `version`."""

    def take(self, changes: Sequence[Change]) -> None:
        """The next changes of the stream."""


@dataclass(slots=True)
class Counters:
    """What the engine did since it started, for tests, metrics and operators."""

    runs: int = 0
    unchanged_runs: int = 0
    wakes: int = 0
    changes: int = 0
    matching_seconds: float = 0.0
    streams_opened: int = 0
