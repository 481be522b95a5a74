"""What every run shares in one process: the database, the signers, the password hasher, the clock."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from datastore.cursors import Cursors
from datastore.database import Database
from datastore.rate_limits import Limiter
from datastore.sealing import Digests
from datastore.settings import Settings
from datastore.turns import Turns
from resolvers.outside import Outside
from resolvers.passwords import Passwords
from resolvers.tokens import AccessTokens


def utc_now() -> datetime:
    """The present instant, UTC, in the millisecond precision that MongoDB keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """What the live engine of this process has done and has to do; totals are since it started."""

    ready: bool
    subscribers: int
    distinct_operations: int
    due: int
    runs: int
    unchanged_runs: int
    wakes: int
    changes: int
    matching_seconds: float
    lag_seconds: float
    streams_opened: int


@dataclass(slots=True)
class Monitor:
    """What this process can be asked of itself: its live engine for its figures, once there is one, and what came of what it did."""

    figures: Callable[[], EngineFigures] | None = None
    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many attempts of jobs and runs of crons had which outcome, by kind and outcome."""
    webhooks: Counter[str] = field(default_factory=Counter)
    """How many attempts to deliver a webhook had which outcome."""


@dataclass(frozen=True, slots=True)
class Services:
    """Made once when the process starts; `clock` gives the present instant in UTC."""

    settings: Settings
    database: Database
    cursors: Cursors
    passwords: Passwords
    tokens: AccessTokens
    outside: Outside
    limiter: Limiter
    digests: Digests
    """Of e-mail codes, and of what was asked for under idempotency keys."""
    clock: Callable[[], datetime] = utc_now
    monitor: Monitor = field(default_factory=Monitor)
    turns: Turns = field(default_factory=Turns)
    """Of mutations that would collide, by account."""
