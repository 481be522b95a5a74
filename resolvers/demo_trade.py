"""When a believable shop trades, and what goes over its counter: a plan, made by seeded generators, that touches nothing.

Seasons, weekdays and opening hours decide when people come; the hour decides what they buy. The same plan says the same each time, in
whatever order it is asked: every day and every part of it has a generator of its own.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import accumulate
from random import Random
from zoneinfo import ZoneInfo

SEASONS = (0.82, 0.86, 0.95, 1.0, 1.06, 1.02, 0.9, 0.88, 1.0, 1.05, 1.15, 1.5)
"""How much is sold in January, February …, beside the average."""

WEEKDAYS = (0.8, 0.84, 0.92, 1.0, 1.24, 1.55, 0.6)
"""Likewise on Mondays, Tuesdays …"""

CLOSED = frozenset({(1, 1), (12, 25), (12, 26)})
GROWTH = 0.2
"""By how much more is sold at the end of the plan than at its beginning."""

WORKDAY_HOURS = {7: 5, 8: 11, 9: 8, 10: 6, 11: 7, 12: 13, 13: 10, 14: 6, 15: 9, 16: 9, 17: 7, 18: 4}
WEEKEND_HOURS = {9: 6, 10: 10, 11: 11, 12: 10, 13: 8, 14: 9, 15: 12, 16: 8}
"""How many come in each hour that the shop is open, of about a hundred."""

DEMAND = {
    "Coffee": (9, 5, 5),
    "Tea": (3, 2, 4),
    "Bakery": (7, 2, 5),
    "Lunch": (0, 9, 1),
    "Beans to take home": (1, 1, 1),
    "Books": (0, 1, 2),
    "Stationery": (1, 1, 1),
}
"""How much each category is asked for in the morning, at noon and in the afternoon; a category that is not named, like the last."""

SIZES = ((1, 2, 3, 4, 5), (38, 30, 18, 9, 5))
QUANTITIES = ((1, 2, 3, 4, 6), (80, 13, 4, 2, 1))
METHODS = (("CARD", "CASH", "ONLINE", "BANK_TRANSFER", "OTHER"), (58, 34, 5, 2, 1))
REASONS = ("Damaged", "Wrong size", "Changed their mind", "Past its date", "Bought twice")
FEWEST_AT_ONCE, MOST_AT_ONCE = 500, 1_000
"""Sales that are made together. The more, the less is written twice (a day's sums, a product's stock), and the longer nobody sees any."""

LONGEST_REGRET = timedelta(days=12)
"""Between a sale and its refund."""

FIRST_NAMES = (
    "Anna",
    "Bruno",
    "Chloé",
    "Dörte",
    "Émile",
    "Fatima",
    "Grace",
    "Håkon",
    "Inés",
    "Jürgen",
    "Katarzyna",
    "Łukasz",
    "Mia",
    "Noël",
)
LAST_NAMES = ("Adler", "Brontë", "Çelik", "Dvořák", "Evans", "Fischer", "García", "Hansen", "Ibsen", "Jansson", "Kovács", "Müller")


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """One line of a basket; `discount_percent` is taken off it."""

    place: int
    quantity: int
    discount_percent: int


@dataclass(frozen=True, slots=True)
class PlannedRefund:
    """What somebody brings back: all of the first line, or the whole sale."""

    after: timedelta
    whole: bool
    reason: str
    restock: bool


@dataclass(frozen=True, slots=True)
class PlannedSale:
    """One visit. `void` is when the sale is taken back as mistyped."""

    sold_at: datetime
    sold_on: str
    sold_hour: int
    lines: tuple[PlannedLine, ...]
    discount_percent: int
    method: str
    customer: str | None
    refund: PlannedRefund | None
    void: timedelta | None


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A refund to come, of the sale with this number of the plan, the first being 0."""

    at: datetime
    number: int
    refund: PlannedRefund = field(compare=False)


@dataclass(frozen=True)
class Plan:
    """So many sales from one day to another, both included. Its name is what all its generators are seeded with."""

    name: str
    first_day: date
    last_day: date
    sales: int
    time_zone: str
    _days: dict[date, list[datetime]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def at_once(self) -> int:
        """How many sales are asked for together, counted from the first: in other parts they would be others."""
        return min(MOST_AT_ONCE, max(FEWEST_AT_ONCE, self.sales // 20))

    @property
    def days(self) -> int:
        """How many days it lasts."""
        return (self.last_day - self.first_day).days + 1

    @cached_property
    def sold_before(self) -> list[int]:
        """How many sales are made before each day; one more than there are days."""
        weights = list(accumulate((self._weight(number) for number in range(self.days)), initial=0.0))
        return [round(self.sales * weight / weights[-1]) for weight in weights]

    def days_of(self, begin: int, end: int) -> list[date]:
        """The days on which sale number `begin` and those up to `end` (not included) are made, and those between on which none is.

        Every day of the plan belongs to exactly one of consecutive ranges: to that of its first sale.
        """
        last = self.days if end >= self.sales else bisect_right(self.sold_before, end - 1, hi=self.days)
        first = 0 if begin == 0 else bisect_right(self.sold_before, begin - 1, hi=self.days)
        return [self.first_day + timedelta(days=number) for number in range(first, last)]

    def moments(self, begin: int, end: int) -> Iterator[datetime]:
        """When each sale of the range is made, UTC, in order."""
        number = bisect_right(self.sold_before, begin, hi=self.days) - 1
        while begin < end:
            day, before = self.first_day + timedelta(days=number), self.sold_before[number]
            until = min(end, self.sold_before[number + 1])
            yield from self._moments_of(day, self.sold_before[number + 1] - before)[begin - before : until - before]
            begin, number = until, number + 1

    def _weight(self, number: int) -> float:
        day = self.first_day + timedelta(days=number)
        if (day.month, day.day) in CLOSED and self.days > len(CLOSED):
            return 0.0
        noise = self.generator(day).uniform(0.85, 1.15)
        return SEASONS[day.month - 1] * WEEKDAYS[day.weekday()] * (1 + GROWTH * number / self.days) * noise

    def _moments_of(self, day: date, count: int) -> list[datetime]:
        """The day that was asked for last is kept: its sales are asked for in parts."""
        if day not in self._days:
            hours = WORKDAY_HOURS if day.weekday() < 5 else WEEKEND_HOURS  # noqa: PLR2004  Saturday
            generator, zone = self.generator(day, "hours"), ZoneInfo(self.time_zone)
            chosen = generator.choices(list(hours), list(hours.values()), k=count)
            seconds = sorted(hour * 3600 + generator.randrange(3600) for hour in chosen)
            self._days.clear()
            # Wall-clock time, so that a day on which the clocks change has the same opening hours.
            walls = (datetime.combine(day, time(second // 3600, second % 3600 // 60, second % 60), zone) for second in seconds)
            self._days[day] = [wall.astimezone(UTC) for wall in walls]
        return self._days[day]

    def generator(self, *of: object) -> Random:
        """The generator of one part of the plan."""
        return Random("/".join(map(str, (self.name, *of))))  # noqa: S311  a shop that looks the same each time, not a secret


class Customers:
    """What people buy of these goods: some things are bought far more often than others (Zipf), and other things at other hours."""

    def __init__(self, plan: Plan, categories: Sequence[str]) -> None:
        """`categories` names that of each of the goods, which are known by their place in it."""
        self._plan, self._zone = plan, ZoneInfo(plan.time_zone)
        ranks = list(range(1, len(categories) + 1))
        plan.generator("popularity").shuffle(ranks)
        weights = [DEMAND.get(category, DEMAND["Stationery"]) for category in categories]
        self._weights: list[list[float]] = [
            [demand[part] / rank**0.7 for demand, rank in zip(weights, ranks, strict=True)] for part in range(3)
        ]
        self._sums = [list(accumulate(part)) for part in self._weights]
        self._places = range(len(categories))

    def share(self, place: int) -> float:
        """The part of everything sold that one of the goods makes, about."""
        return sum(part[place] for part in self._weights) / sum(sums[-1] for sums in self._sums)

    def due(self, begin: int) -> list[Due]:
        """The refunds of sales before number `begin` that come after it has been sold, as a heap."""
        moment = next(self._plan.moments(begin, begin + 1))
        found: list[Due] = []
        while begin > 0:
            begin -= self._plan.at_once
            sales = list(enumerate(self.sales(begin), start=begin))
            found += [Due(sale.sold_at + sale.refund.after, number, sale.refund) for number, sale in sales if sale.refund is not None]
            if sales[0][1].sold_at + LONGEST_REGRET < moment:
                break
        return sorted(due for due in found if due.at >= moment)

    def sales(self, begin: int) -> Iterator[PlannedSale]:
        """The sales of one part of the plan, in order."""
        end = min(begin + self._plan.at_once, self._plan.sales)
        generator = self._plan.generator("sales", begin)
        for moment in self._plan.moments(begin, end):
            yield self._sale(generator, moment)

    def _sale(self, generator: Random, moment: datetime) -> PlannedSale:
        wall = moment.astimezone(self._zone)
        part = 0 if wall.hour < 11 else 1 if wall.hour < 14 else 2  # noqa: PLR2004  o'clock
        size = generator.choices(*SIZES)[0]
        places = dict.fromkeys(generator.choices(self._places, cum_weights=self._sums[part], k=size))
        lines = tuple(self._line(generator, place) for place in places)
        chance = generator.random()
        return PlannedSale(
            sold_at=moment,
            sold_on=wall.date().isoformat(),
            sold_hour=wall.hour,
            lines=lines,
            discount_percent=generator.choice((5, 10)) if chance > 0.97 else 0,  # noqa: PLR2004
            method=generator.choices(*METHODS)[0],
            customer=f"{generator.choice(FIRST_NAMES)} {generator.choice(LAST_NAMES)}" if 0.5 < chance < 0.58 else None,  # noqa: PLR2004
            refund=self._refund(generator) if chance < 0.02 else None,  # noqa: PLR2004
            void=timedelta(seconds=generator.randrange(30, 600)) if 0.02 <= chance < 0.025 else None,  # noqa: PLR2004
        )

    @staticmethod
    def _line(generator: Random, place: int) -> PlannedLine:
        discount = generator.choice((10, 20, 50)) if generator.random() < 0.03 else 0  # noqa: PLR2004
        return PlannedLine(place, generator.choices(*QUANTITIES)[0], discount)

    @staticmethod
    def _refund(generator: Random) -> PlannedRefund:
        after = timedelta(minutes=generator.randrange(20, LONGEST_REGRET // timedelta(minutes=1)))
        return PlannedRefund(after, whole=generator.random() < 0.5, reason=generator.choice(REASONS), restock=generator.random() < 0.6)  # noqa: PLR2004


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier; where that month is shorter, its last day."""
    count = day.year * 12 + day.month - 1 - months
    year, month = count // 12, count % 12 + 1
    following = date(year + month // 12, month % 12 + 1, 1)
    return min(date(year, month, 1) + timedelta(days=day.day - 1), following - timedelta(days=1))
