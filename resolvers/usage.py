"""What a run used of its caller and of the clock: it decides who can share the run, and how long its result stays true."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo

from datastore.read_set import ReadSet


class Sharing(IntEnum):
    """Whom a result is the same for: the account's members all, those of one role, one person, or one session."""

    ACCOUNT = 0
    ROLE = 1
    PERSON = 2
    SESSION = 3


@dataclass(slots=True)
class Usage:
    """Filled while a run reads. `until` is the instant, UTC, at which something that the run read off the clock stops being true."""

    sharing: Sharing = Sharing.ACCOUNT
    until: datetime | None = None
    partly_shown: dict[str, frozenset[str]] = field(default_factory=dict)
    """By table, columns of rows that were read which not every role is shown."""

    def reads_caller(self, sharing: Sharing) -> None:
        """Notes that the result is the same only for such callers."""
        self.sharing = max(self.sharing, sharing)

    def role_mattered(self) -> None:
        """Notes that `db` might have given another role other rows (`datastore.rights.CallerUse`)."""
        self.reads_caller(Sharing.ROLE)

    def columns_mattered(self, table: str, columns: frozenset[str]) -> None:
        """Notes that `db` might not have given another role these columns: it matters where the result was made of one of them."""
        self.partly_shown[table] = columns

    def person_mattered(self) -> None:
        """Notes that `db` might have given another person other rows."""
        self.reads_caller(Sharing.PERSON)

    def sharing_of(self, read_set: ReadSet) -> Sharing:
        """Whom the result is the same for, by the columns that it was made of."""
        for table, columns in self.partly_shown.items():
            used = read_set.columns_used(table)
            if used is None or not used.isdisjoint(columns):
                return max(self.sharing, Sharing.ROLE)
        return self.sharing

    def holds_until(self, instant: datetime) -> None:
        """Notes that the result may be another from `instant` on."""
        self.until = instant if self.until is None else min(self.until, instant)

    def today(self, now: datetime, time_zone: str) -> date:
        """The day that `now` lies in in a time zone; the result holds until its midnight there."""
        zone = ZoneInfo(time_zone)
        day = now.astimezone(zone).date()
        self.holds_until(datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC))
        return day
