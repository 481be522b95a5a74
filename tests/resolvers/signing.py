"""Signing up and in, and what is mailed about it, as tests do it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from datastore import schema as tables
from datastore.database import Database
from datastore.errors import UnauthenticatedError
from resolvers.account_mails import values_of
from resolvers.auth import authenticate
from resolvers.services import Services
from tests.gql.api import PASSWORD, Api, Person

SIGN_IN = (
    "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken refreshToken accessTokenExpiresAt user { id email role } } }"
)
REFRESH = "mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken user { id account { id } } } }"
VIEWER = "{ viewer { id } }"
VERIFY = "mutation ($code: String!) { verifyEmail(code: $code) { id email emailVerified } }"
SIGN_UP_ALONE = "mutation ($input: SignUpInput!) { signUp(input: $input) { accessToken refreshToken user { id email } } }"


def credentials(email: str, password: str = PASSWORD) -> dict[str, Any]:
    return {"input": {"email": email, "password": password}}


def signed_up(email: str, **values: Any) -> dict[str, Any]:
    return {"input": {"email": email, "password": PASSWORD, "name": "Ada", **values}}


async def check_signed_out(services: Services, person: Person) -> None:
    with pytest.raises(UnauthenticatedError, match="The session has ended"):
        await authenticate(services, person.access_token)


async def age_sessions(database: Database, by: timedelta) -> None:
    """Makes every session look as if it had been refreshed earlier, and end earlier."""
    milliseconds = int(by.total_seconds() * 1000)
    earlier = {name: {"$subtract": [f"${name}", milliseconds]} for name in ("refreshed_at", "expires_at")}
    await database.command({"update": "sessions", "updates": [{"q": {}, "u": [{"$set": earlier}], "multi": True}]})


async def mails(services: Services, *, about: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What jobs are to send, or were, in the order they were scheduled: the kind, the recipient, and what the mail says; of some kinds."""
    reply = await services.database.command(
        {"find": "jobs", "filter": {"kind": "sendMail"}, "sort": {"created_at": 1, "_id": 1}, "batchSize": 1000}
    )
    found = []
    for job in reply["cursor"]["firstBatch"]:
        arguments = json.loads(job["arguments"])
        kind, locale, values = values_of(services.outside.sealer.open(arguments["sealed"]))
        if not about or kind in about:
            found.append({**values, "kind": kind, "to": arguments["to"], "locale": locale})
    return found


async def last_code(services: Services, kind: str, to: str | None = None) -> str:
    """The code in the last mail of a kind."""
    code: str = [mail["code"] for mail in await mails(services, about=[kind]) if to in {None, mail["to"]}][-1]
    return code


async def another_session(api: Api, person: Person) -> Person:
    """The same person on another device."""
    session = (await api.data(SIGN_IN, credentials(person.email)))["signIn"]
    return Person(person.email, session["accessToken"], session["refreshToken"], person.user_id, person.account_id)


async def shift(database: Database, table: str, column: str, by: timedelta) -> None:
    """Makes a moment in all rows of a table lie earlier."""
    change = [{"$set": {column: {"$subtract": [f"${column}", int(by.total_seconds() * 1000)]}}}]
    await database.command({"update": table, "updates": [{"q": {}, "u": change, "multi": True}]})


def new_session_rows(first: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Copies of a stored session, each used a second later than the one before."""
    return [
        first | {"_id": tables.Session.new_id(), "family_hash": f"{n}", "refreshed_at": first["refreshed_at"] + timedelta(seconds=n)}
        for n in range(1, count)
    ]


@contextmanager
def hashing(services: Services) -> Iterator[list[str]]:
    """What is asked of the password hasher meanwhile, in order."""
    passwords, asked = services.passwords, list[str]()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("hash", "verify"):
            asks = getattr(passwords, name)

            async def noted(*arguments: Any, name: str = name, asks: Any = asks) -> Any:
                asked.append(name)
                return await asks(*arguments)

            patch.setattr(passwords, name, noted)
        yield asked
