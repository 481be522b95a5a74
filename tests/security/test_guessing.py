"""Guesses at passwords, by every way in: OWASP Authentication Cheat Sheet, "Protect Against Automated Attacks"; ASVS 4.0.3, 2.2.1; ASVS
5.0, 6.3.1; OWASP GraphQL Cheat Sheet, "Batching Attacks".
"""

import asyncio
from collections import Counter
from typing import Any

import orjson
import pytest
import websockets

from resolvers.limits import LIMITS
from tests.gql.api import PASSWORD, Person
from tests.security.conftest import Site

SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { refreshToken } }"
REFRESH = "mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }"
GUESS = {"input": {"email": "ada@example.org", "password": "letmein-12345"}}
RIGHT = {"input": {"email": "ada@example.org", "password": PASSWORD}}
STOPPED = {"UNAUTHENTICATED": 5, "RATE_LIMITED": 25}


async def test_of_thirty_parallel_guesses_five_are_tried(site: Site, ada: Person) -> None:
    answers = await asyncio.gather(*(site.codes(SIGN_IN, GUESS) for _ in range(30)))
    assert Counter(code for codes in answers for code in codes) == STOPPED


async def test_guesses_hidden_in_documents_of_thirty_fields_count_each(site: Site, ada: Person) -> None:
    """The first field that fails ends its document, so that each document tries one guess behind signing in with success."""
    guesses = " ".join(f"g{number}: signIn(input: $guess) {{ refreshToken }}" for number in range(29))
    document = f"mutation ($right: SignInInput!, $guess: SignInInput!) {{ right: signIn(input: $right) {{ refreshToken }} {guesses} }}"
    variables = {"right": RIGHT["input"], "guess": GUESS["input"]}
    answers = [await site.codes(document, variables) for _ in range(7)]
    assert answers == [["UNAUTHENTICATED"]] * 5 + [["RATE_LIMITED"]] * 2


async def test_of_thirty_guesses_over_one_socket_five_are_tried(site: Site, ada: Person) -> None:
    async with websockets.connect(f"{site.url.replace('http', 'ws')}/graphql", subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
        await socket.send('{"type":"connection_init"}')
        await socket.recv()
        for number in range(30):
            payload = {"query": SIGN_IN, "variables": GUESS}
            await socket.send(orjson.dumps({"type": "subscribe", "id": str(number), "payload": payload}).decode())
        codes: Counter[str] = Counter()
        while codes.total() < 30:
            message: dict[str, Any] = orjson.loads(await asyncio.wait_for(socket.recv(), 10))
            if message["type"] == "next":
                codes.update(error["extensions"]["code"] for error in message["payload"]["errors"])
    assert codes == STOPPED


async def test_guesses_at_nobody_are_stopped_like_those_at_somebody(site: Site) -> None:
    answers = [await site.codes(SIGN_IN, GUESS) for _ in range(7)]
    assert answers == [["UNAUTHENTICATED"]] * 5 + [["RATE_LIMITED"]] * 2


async def test_another_spelling_of_an_address_is_the_same_account(site: Site, ada: Person) -> None:
    spellings = ["ada@example.org", "ADA@example.org", " ada@EXAMPLE.org", "Ada@Example.Org ", "ada@example.org", "aDa@example.org"]
    answers = [await site.codes(SIGN_IN, {"input": {"email": email, "password": "letmein-12345"}}) for email in spellings]
    assert answers == [["UNAUTHENTICATED"]] * 5 + [["RATE_LIMITED"]]


async def test_who_knows_the_password_may_sign_in_often(site: Site, ada: Person) -> None:
    assert [await site.codes(SIGN_IN, RIGHT) for _ in range(12)] == [[]] * 12


async def test_guesses_of_a_stranger_lock_nobody_out_of_a_session(site: Site, ada: Person) -> None:
    for _ in range(8):
        await site.codes(SIGN_IN, GUESS)
    assert await site.codes(SIGN_IN, RIGHT) == ["RATE_LIMITED"]
    assert await site.codes("{ viewer { email } }", Authorization=f"Bearer {ada.access_token}") == []
    assert await site.codes(REFRESH, {"token": ada.refresh_token}) == []


async def test_nobody_chooses_the_address_that_they_are_counted_by(site: Site, ada: Person) -> None:
    headers = [{"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"} for number in range(7)]
    answers = [await site.codes(SIGN_IN, GUESS, **each) for each in headers]
    assert answers == [["UNAUTHENTICATED"]] * 5 + [["RATE_LIMITED"]] * 2


async def test_a_refusal_says_in_how_many_seconds_to_try_again(site: Site) -> None:
    for _ in range(5):
        await site.post(SIGN_IN, GUESS)
    [error] = (await site.post(SIGN_IN, GUESS)).json()["errors"]
    assert 0 < error["extensions"]["retryAfter"] <= 180


async def test_one_address_makes_few_accounts(site: Site) -> None:
    document = "mutation ($input: SignUpInput!) { signUp(input: $input) { accessToken } }"
    people = [{"input": {"email": f"{number}@example.org", "password": PASSWORD, "name": "Mallory"}} for number in range(12)]
    answers = await asyncio.gather(*(site.codes(document, person) for person in people))
    assert sorted(answers) == [[]] * 10 + [["RATE_LIMITED"]] * 2


@pytest.mark.parametrize("name", ["sign_in", "reset_password"])
def test_one_address_never_uses_up_the_tries_of_an_account(name: str) -> None:
    by_address, by_account = (rule.limit for rule in LIMITS[name] if rule.failures)
    in_a_day = by_address.count + 86_400 / by_address.interval
    assert in_a_day < by_account.count + 86_400 / by_account.interval
    assert by_account.count + 3600 / by_account.interval < 100
