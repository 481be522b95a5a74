import asyncio
from typing import Any

import pytest

from datastore.database import Database
from datastore.errors import RateLimitedError
from datastore.rate_limits import Limiter
from datastore.scope import Scope
from gql.schema import marked_functions
from resolvers import MODULES
from resolvers.limits import LIMITS, Asking, limited, network_of


@pytest.fixture
def limiter(database: Database) -> Limiter:
    return Limiter(database)


class Guess(Exception):  # noqa: N818
    """What a guess that fails raises."""


async def tried(limiter: Limiter, name: str, asking: Asking, *, factor: float = 1, fails: bool = False) -> str:
    try:
        async with limited(limiter, factor, name, asking):
            if fails:
                raise Guess
    except RateLimitedError:
        return "limited"
    except Guess:
        return "failed"
    return "done"


def asking(address: str = "192.0.2.1", scope: Scope | None = None, **arguments: Any) -> Asking:
    return Asking(scope, address, arguments)


async def test_what_succeeds_costs_no_guess_and_what_fails_does(limiter: Limiter) -> None:
    who = asking(email="ada@example.org")
    assert [await tried(limiter, "sign_in", who) for _ in range(8)] == ["done"] * 8
    assert [await tried(limiter, "sign_in", who, fails=True) for _ in range(7)] == ["failed"] * 5 + ["limited"] * 2


async def test_guesses_at_once_are_counted_before_they_are_made(limiter: Limiter) -> None:
    who = asking(email="ada@example.org")
    outcomes = await asyncio.gather(*(tried(limiter, "sign_in", who, fails=True) for _ in range(30)))
    assert outcomes.count("failed") == 5


async def test_many_addresses_together_are_held_back_at_one_account(limiter: Limiter) -> None:
    network = [asking(f"192.0.2.{number}", email="ada@example.org") for number in range(60)]
    outcomes = [await tried(limiter, "sign_in", who, fails=True) for who in network]
    assert outcomes == ["failed"] * 45 + ["limited"] * 15
    assert await tried(limiter, "sign_in", asking("192.0.2.1", email="bob@example.org"), fails=True) == "failed"


async def test_one_address_trying_many_accounts_is_held_back(limiter: Limiter) -> None:
    outcomes = [await tried(limiter, "sign_in", asking(email=f"{number}@example.org"), fails=True) for number in range(65)]
    assert outcomes == ["failed"] * 60 + ["limited"] * 5


async def test_the_factor_widens_limits_by_address_alone_or_switches_them_off(limiter: Limiter) -> None:
    assert [await tried(limiter, "sign_up", asking(), factor=2) for _ in range(21)] == ["done"] * 20 + ["limited"]
    assert [await tried(limiter, "sign_up", asking(), factor=0) for _ in range(30)] == ["done"] * 30
    mails = [await tried(limiter, "request_password_reset", asking(email="ada@example.org"), factor=0) for _ in range(4)]
    assert mails == ["done"] * 3 + ["limited"]


async def test_a_mailbox_is_one_however_its_address_is_spelt(limiter: Limiter) -> None:
    """A domain in the wide letters of East Asia is the same domain (UTS 46)."""
    spellings = [" Ada@Example.org", "ada@ＥＸＡＭＰＬＥ.org", "ada@example。org", "ada@ｅxample.org"]  # noqa: RUF001  they look alike
    outcomes = [await tried(limiter, "request_password_reset", asking(email=spelling)) for spelling in spellings]
    assert outcomes == ["done"] * 3 + ["limited"]
    assert await tried(limiter, "request_password_reset", asking(email="no address")) == "done"


async def test_limits_of_a_business_are_shared_by_its_people_and_by_nobody_else(limiter: Limiter, scope: Scope) -> None:
    mine = asking("192.0.2.1", scope, email="customer@example.org")
    again = asking("192.0.2.2", scope, email="Customer@example.org ")
    assert [await tried(limiter, "invite_member", who) for who in (mine, again, mine, again)] == ["done"] * 3 + ["limited"]
    assert await tried(limiter, "invite_member", asking(email="customer@example.org")) == "done"


async def test_work_that_is_nobodys_request_has_no_limit(limiter: Limiter, scope: Scope) -> None:
    assert {await tried(limiter, "export_my_data", asking("", scope)) for _ in range(9)} == {"done"}


async def test_what_is_not_on_the_page_has_no_limit(limiter: Limiter) -> None:
    assert {await tried(limiter, "record_sale", asking()) for _ in range(9)} == {"done"}


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_customer_with_a_whole_network_is_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_one_sale_sends_few_receipts_whoever_they_go_to(limiter: Limiter, scope: Scope) -> None:
    outcomes = [
        await tried(limiter, "send_receipt", asking(scope=scope, sale_id="sal_1", email=f"{number}@example.org")) for number in range(12)
    ]
    assert outcomes == ["done"] * 10 + ["limited"] * 2


def test_whatever_strangers_may_call_is_limited_by_their_address() -> None:
    public = {function.__name__ for module in MODULES for function, marking in marked_functions(module) if marking.public}
    assert "sign_in" in public
    assert {name for name in public if not any(rule.by_address for rule in LIMITS.get(name, ()))} == set()


def test_every_rule_of_the_page_says_when_it_is_earned_back() -> None:
    assert {rule.limit.count > 0 and 0 < rule.limit.seconds <= 86_400 for rules in LIMITS.values() for rule in rules} == {True}
