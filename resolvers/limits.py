"""How often each thing may be done: the one page of all limits that all processes agree on.

They are taken before a mutation is carried out, each field of a document counting by itself, whatever transport it came by. A limit by
address is of an IPv4 address or of the /64 of an IPv6 one, and `TILLSTREAM_ADDRESS_LIMITS` widens all of these or switches them off. What
is limited by an e-mail address is counted for addresses that nobody has, too: a refusal tells nobody who has an account.

No limit stands before a session that exists: what strangers do to an account's sign-in ends no session and keeps none from being refreshed.
Guesses at one account are counted by who guesses first, so that a single address is stopped long before it could use up what the account
has; ASVS 4.0.3, 2.2.1 asks for at most 100 failures an hour on one account, and this is less.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from datastore.errors import UnavailableError
from datastore.rate_limits import Limit, Limiter
from datastore.scope import Scope
from resolvers.text import email_address

logger = logging.getLogger(__name__)

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for what."""

    scope: Scope | None
    address: str
    """Empty where nobody's request is carried out (a job, a program with a key): such work has no limits here."""
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit. `subject` is whose it is, None where it is nobody's."""

    subject: Callable[[Asking], str | None]
    limit: Limit
    by_address: bool = False
    failures: bool = False
    """Whether what succeeds is given back: then it counts guesses."""


def network_of(address: str) -> str:
    """Whom a limit by address is for: an IPv4 address, or the /64 that an IPv6 one is in, of which one customer has all."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)


def _network(asking: Asking) -> str:
    return network_of(asking.address)


def _email(asking: Asking) -> str | None:
    """The address in the arguments, in one spelling: that in which it is stored, or, of what is none, that in which it was sent."""
    found = asking.arguments.get("email") or getattr(asking.arguments.get("input"), "email", None)
    if not isinstance(found, str):
        return None
    try:
        return email_address(found)
    except ValueError:
        return found


def _email_and_network(asking: Asking) -> str | None:
    email = _email(asking)
    return None if email is None else f"{email} {_network(asking)}"


def _user(asking: Asking) -> str | None:
    return None if asking.scope is None else asking.scope.user_id


def _account(asking: Asking) -> str | None:
    return None if asking.scope is None else asking.scope.account_id


def _recipient(asking: Asking) -> str | None:
    """The address that the business writes to."""
    account, email = _account(asking), _email(asking)
    return None if account is None or email is None else f"{account} {email}"


def _row(asking: Asking) -> str | None:
    """The row of the business that something is done with."""
    account, id = _account(asking), asking.arguments.get("id") or asking.arguments.get("sale_id")
    return None if account is None or id is None else f"{account} {id}"


def _by_address(count: int, seconds: float) -> Rule:
    return Rule(_network, Limit(count, seconds), by_address=True)


def _by_user(count: int, seconds: float, *, failures: bool = False) -> Rule:
    return Rule(_user, Limit(count, seconds), failures=failures)


def _by_account(count: int, seconds: float) -> Rule:
    return Rule(_account, Limit(count, seconds))


_GUESSES_AT_AN_ACCOUNT: Final = (
    Rule(_email_and_network, Limit(5, 15 * MINUTE), by_address=True, failures=True),
    Rule(_email, Limit(45, HOUR), failures=True),
)
"""One address makes 5 guesses and then one each three minutes, which the second limit outlasts for ever."""

_UPLOADS: Final = (_by_user(120, 10 * MINUTE), _by_account(2_000, HOUR))

LIMITS: Final[Mapping[str, tuple[Rule, ...]]] = {
    # Signing in, and whatever else could be guessed.
    "sign_in": (_by_address(60, 15 * MINUTE), *_GUESSES_AT_AN_ACCOUNT),
    "sign_up": (_by_address(10, HOUR), Rule(_email, Limit(5, HOUR))),
    "refresh_session": (_by_address(300, 15 * MINUTE),),
    "verify_email": (_by_address(20, HOUR), _by_user(10, HOUR)),
    "reset_password": (_by_address(20, HOUR), *_GUESSES_AT_AN_ACCOUNT),
    "accept_invite": (_by_address(20, HOUR),),
    "change_password": (_by_user(10, HOUR, failures=True),),
    "delete_account": (_by_user(10, HOUR, failures=True),),
    # What sends mail to whom somebody names.
    "request_password_reset": (_by_address(10, HOUR), Rule(_email, Limit(3, HOUR))),
    "resend_verification": (_by_user(5, HOUR),),
    "change_email": (_by_user(10, HOUR), _by_user(20, DAY)),
    "invite_member": (_by_account(50, DAY), Rule(_recipient, Limit(3, DAY))),
    "resend_invite": (_by_account(50, DAY), Rule(_row, Limit(3, DAY))),
    "send_receipt": (_by_account(500, DAY), Rule(_recipient, Limit(20, DAY)), Rule(_row, Limit(10, DAY))),
    "email_statement": (_by_account(20, DAY), Rule(_recipient, Limit(5, DAY))),
    # What takes room or calls others.
    "create_upload": _UPLOADS,
    "complete_upload": _UPLOADS,
    "import_products": (_by_account(60, HOUR),),
    "export_transactions": (_by_account(60, HOUR),),
    "export_my_data": (_by_user(5, DAY),),
    "create_payment": (_by_account(600, HOUR),),
    "create_api_key": (_by_account(100, DAY),),
    "create_webhook_endpoint": (_by_account(50, DAY),),
    "send_test_webhook": (_by_account(60, HOUR),),
    "redeliver_webhook": (_by_account(300, HOUR),),
}
"""By the name of the mutation's function."""


@asynccontextmanager
async def limited(limiter: Limiter, address_factor: float, name: str, asking: Asking) -> AsyncGenerator[None, None]:
    """Counts one call of a mutation by all its limits, and gives back, where it succeeds, what only failures cost.

    Raises RateLimitedError with the first that has nothing left.
    """
    guesses: list[tuple[str, Limit]] = []
    for rule in LIMITS.get(name, ()) if asking.address else ():
        subject, limit = rule.subject(asking), _limit_of(rule, address_factor)
        if subject is not None and limit is not None:
            key = f"{name} {subject}"
            await limiter.take(key, limit)
            if rule.failures:
                guesses.append((key, limit))
    yield
    for key, limit in guesses:
        try:
            await limiter.give_back(key, limit)
        except UnavailableError:  # what was asked for is done; the caller has one try less, for a while
            logger.warning("a try of %s that succeeded stays counted: the database does not answer", name)


def _limit_of(rule: Rule, address_factor: float) -> Limit | None:
    if not rule.by_address:
        return rule.limit
    return rule.limit.times(address_factor) if address_factor > 0 else None
