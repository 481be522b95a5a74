"""Days and hours fit the moments that they are of, by some clock on Earth, and what recurs keeps to its series."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.verify_days import check_day, check_hour, check_next
from resolvers.verify_rows import Findings, Record

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ZONES = ["Etc/GMT+12", "Pacific/Kiritimati", "Pacific/Chatham", "Asia/Kathmandu", "Europe/Berlin", "America/St_Johns", "UTC"]


def found(sold_at: datetime, sold_on: str, sold_hour: int) -> list[str]:
    """What is said of the day and the hour of a sale."""
    findings = Findings()
    check_day(findings, "sale sal_1", "sold_on", sold_on, sold_at)
    check_hour(findings, "sale sal_1", Record(sold_at=sold_at, sold_on=sold_on, sold_hour=sold_hour))
    return [line.split()[2] for line in findings.lines]


@given(st.datetimes(datetime(2000, 1, 2), datetime(2040, 1, 1), timezones=st.just(UTC)), st.sampled_from(ZONES))  # noqa: DTZ001  Hypothesis takes naive bounds
def test_a_day_and_an_hour_of_any_clock_are_no_finding(moment: datetime, zone: str) -> None:
    local = moment.astimezone(ZoneInfo(zone))
    assert found(moment, local.date().isoformat(), local.hour) == []


@pytest.mark.parametrize(
    ("sold_on", "sold_hour", "named"),
    [
        ("2026-11-24", 0, []),
        ("2026-11-25", 2, []),
        ("2026-11-25", 3, ["sold_hour"]),
        ("2026-11-26", 2, ["sold_on", "sold_hour"]),
        ("2026-11-23", 23, ["sold_on", "sold_hour"]),
        ("2026-11-22", 0, ["sold_on", "sold_hour"]),
        ("2026-11-24", -1, ["sold_hour"]),
        ("2026-11-31", 12, ["sold_on"]),
        ("", 12, ["sold_on"]),
    ],
)
def test_what_no_clock_shows_is_named(sold_on: str, sold_hour: int, named: list[str]) -> None:
    assert found(NOON, sold_on, sold_hour) == named


@pytest.mark.parametrize(
    ("columns", "booked", "named"),
    [
        ({}, None, 0),
        ({}, "2026-02-28", 0),
        ({"next_on": "2026-01-31"}, None, 0),
        ({"next_on": "2026-03-30"}, None, 1),
        ({"next_on": "2025-12-31"}, None, 1),
        ({}, "2026-03-31", 1),
        ({"ends_on": "2026-03-31"}, None, 0),
        ({"ends_on": "2026-03-30"}, None, 1),
        ({"next_on": None}, None, 1),
        ({"next_on": None, "ends_on": "2026-03-30"}, "2026-02-28", 0),
        ({"next_on": None, "ends_on": "2026-03-30"}, None, 0),
        ({"next_on": "2026-11-30"}, None, 0),
        ({"next_on": "2026-12-31"}, "2026-10-31", 1),
        ({"next_on": "2026-12-31"}, "2026-11-30", 0),
        ({"next_on": None, "ends_on": "2026-11-29"}, "2026-10-31", 0),
        ({"next_on": None, "ends_on": "2026-11-30"}, "2026-10-31", 1),
        ({"next_on": None, "ends_on": "9999-12-31"}, None, 1),
        ({"next_on": "9999-12-31"}, None, 1),
        ({"next_on": "0001-01-01"}, None, 1),
        ({"starts_on": "2027-06-30", "next_on": "2027-06-30"}, None, 0),
        ({"starts_on": "2026-11-25", "next_on": "2026-12-25"}, None, 0),
        ({"starts_on": "2026-11-26", "next_on": "2026-12-26"}, None, 1),
    ],
)
def test_what_recurs_comes_next_on_a_day_of_its_series(columns: dict[str, Any], booked: str | None, named: int) -> None:
    row = {"interval": "MONTHLY", "starts_on": "2026-01-31", "ends_on": None, "next_on": "2026-03-31"}
    findings = Findings()
    check_next(findings, Record(_id="rec_1", **row | columns), booked, NOON)
    assert len(findings.lines) == named, findings.lines


def test_a_moment_is_on_at_most_three_days() -> None:
    days = [(NOON + timedelta(days=shift)).date().isoformat() for shift in range(-3, 4)]
    assert [day for day in days if "sold_on" not in found(NOON, day, 12)] == ["2026-11-24", "2026-11-25"]
