"""What the demo shop spends beside what it sells: in proportion to what it takes, so that any size of it is plausible."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from resolvers.demo_trade import Plan
from resolvers.expense_inputs import Interval

BASKET_MINOR: Final = 1200
"""About what one sale brings."""

GOODS: Final = "Goods"
VENDORS = ("Rösterei Nord", "Bäckerei Krume", "Buchgroßhandel Lese", "Market Hall")
FLOAT_MINOR: Final = 30_000
"""The change in the till when it opens first."""

WITHDRAWN_PERCENT: Final = 12
"""Of what comes in in a month, drawn by the owner on the first of the next."""


@dataclass(frozen=True, slots=True)
class Recurring:
    """A cost that comes back; `percent` of what comes in between, on a day of the month."""

    category: str
    vendor: str
    percent: float
    interval: Interval
    day: int
    tax_rate_ppm: int


@dataclass(frozen=True, slots=True)
class Small:
    """Something that is bought now and then, for so much, in minor units."""

    category: str
    vendor: str
    note: str
    cheapest: int
    dearest: int


RECURRING = (
    Recurring("Rent", "Hausverwaltung Adler", 12, Interval.MONTHLY, 1, 190_000),
    Recurring("Wages", "Staff", 22, Interval.MONTHLY, 28, 0),
    Recurring("Utilities", "Stadtwerke", 2.5, Interval.MONTHLY, 15, 190_000),
    Recurring("Insurance", "Contoria", 1.5, Interval.QUARTERLY, 3, 0),
)
SMALL = (
    Small("Repairs", "Müller & Sons", "Grinder", 4_000, 18_000),
    Small("Cleaning", "Drugstore", "", 900, 4_500),
    Small("Packaging", "Papier Paul", "Cups and bags", 2_500, 9_000),
    Small("Marketing", "Print Shop", "Flyers", 3_000, 15_000),
)
BUDGETS: dict[str, float] = {
    GOODS: 45,
    "Rent": 12,
    "Wages": 22,
    "Utilities": 3,
    "Insurance": 1,
    "Repairs": 3,
    "Cleaning": 2,
    "Packaging": 3,
}
"""The monthly budgets of categories, in percent of what comes in in a month."""

CATEGORIES: Sequence[str] = tuple(dict.fromkeys([GOODS, *(one.category for one in RECURRING), *(one.category for one in SMALL)]))


def monthly_minor(plan: Plan) -> int:
    """About what comes in in a month."""
    return plan.sales * BASKET_MINOR * 30 // plan.days


def share_minor(plan: Plan, percent: float) -> int:
    """A part of what comes in in a month, in tens of the major unit (or of its like), and not nothing."""
    return max(1_000, round(monthly_minor(plan) * percent / 100 / 1_000) * 1_000)


def small_cost(plan: Plan, day: date) -> tuple[Small, int] | None:
    """What is bought on a day, and for how much; on most days nothing."""
    generator = plan.generator("costs", day)
    if generator.random() > 0.25:  # noqa: PLR2004
        return None
    cost = generator.choice(SMALL)
    return cost, generator.randrange(cost.cheapest, cost.dearest, 10)
