import pytest

from datastore.errors import RateLimitedError
from datastore.rate_limits import Limit
from gql import budgets
from gql.budgets import Budget, Left


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> Budget:
    return Budget(Limit(60, 60), clock)


def test_a_budget_is_spent_at_once_or_as_it_is_earned(budget: Budget, clock: Clock) -> None:
    assert budget.spend("ada", 40) == Left(20, 40)
    assert budget.spend("ada", 20) == Left(0, 60)
    with pytest.raises(RateLimitedError) as refused:
        budget.spend("ada", 5)
    assert refused.value.retry_after == 5
    clock.now += 5
    assert budget.spend("ada", 5) == Left(0, 60)


def test_a_refusal_costs_nothing_and_others_have_budgets_of_their_own(budget: Budget) -> None:
    budget.spend("ada", 50)
    for _ in range(10):
        with pytest.raises(RateLimitedError):
            budget.spend("ada", 11)
    assert budget.spend("ada", 10) == Left(0, 60)
    assert budget.spend("bob", 60) == Left(0, 60)


def test_what_was_earned_while_nothing_was_spent_is_no_more_than_the_whole(budget: Budget, clock: Clock) -> None:
    budget.spend("ada", 1)
    clock.now += 86_400
    assert budget.spend("ada", 60) == Left(0, 60)


def test_fractions_lose_nobody_the_last_of_a_budget() -> None:
    uneven = Budget(Limit(7, 1), lambda: 1e6 / 3)
    assert [uneven.spend("ada", 1).count for _ in range(7)] == [6, 5, 4, 3, 2, 1, 0]


def test_strangers_do_not_fill_the_memory(budget: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "MOST_CALLERS", 10)
    for number in range(1000):
        budget.spend(str(number), 1)
    assert len(budget._earned) == 10
