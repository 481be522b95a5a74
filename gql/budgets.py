"""How much ordinary work each caller may ask of one process: counted in its memory, so that an ordinary request costs no write.

These protect the process. What must hold for all processes together (sign-in, codes, mail) is in `resolvers/limits.py`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from datastore.rate_limits import Limit, too_often

MOST_CALLERS: Final = 50_000
"""Whose spending is remembered. Who comes beyond begins anew with the one longest known."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a caller may still spend at once, and in how many seconds all of it is there again."""

    count: int
    full_in: float


class Budget:
    """A limit that each of many callers has (the rule is that of `datastore/rate_limits.py`)."""

    def __init__(self, limit: Limit, now: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._now = now
        self._earned: dict[str, float] = {}

    def spend(self, caller: str, cost: int) -> Left:
        """Counts what something costs a caller. Raises RateLimitedError, and counts nothing, where there is not so much left."""
        now = self._now()
        begun = max(self._earned.pop(caller, now), now)
        earned = begun + cost * self.limit.interval
        wait = earned - now - self.limit.seconds
        refused = wait > self.limit.interval / 100  # less is what the sum of fractions has lost
        self._earned[caller] = begun if refused else earned
        if refused:
            raise too_often(wait)
        if len(self._earned) > MOST_CALLERS:
            del self._earned[next(iter(self._earned))]
        return Left(int((self.limit.seconds - (earned - now)) / self.limit.interval + 0.01), earned - now)
