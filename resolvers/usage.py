"""What a run used of its caller and of the clock: it decides who can share the run, and how long its result stays true."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo


class Sharing(IntEnum):
    """Whom a result is the same for: the account's members all, those of one role, or one person."""

    ACCOUNT = 0
    ROLE = 1
    PERSON = 2


@dataclass(slots=True)
class Usage:
    """Filled while a run reads. `until` is the instant, UTC, at which something that the run read off the clock stops being true."""

    sharing: Sharing = Sharing.ACCOUNT
    until: datetime | None = None

    def reads_caller(self, sharing: Sharing) -> None:
        """Notes that the result is the same only for such callers."""
        self.sharing = max(self.sharing, sharing)

    def holds_until(self, instant: datetime) -> None:
        """Notes that the result may be another from `instant` on."""
        self.until = instant if self.until is None else min(self.until, instant)

    def today(self, now: datetime, time_zone: str) -> date:
        """The day that `now` lies in in a time zone; the result holds until its midnight there."""
        zone = ZoneInfo(time_zone)
        day = now.astimezone(zone).date()
        self.holds_until(datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC))
        return day
