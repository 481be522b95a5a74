"""Work, and not only requests, has a limit by caller: OWASP GraphQL Cheat Sheet, "DoS Prevention"; ASVS 4.0.3, 11.1.4 and 13.4.1; ASVS 5.0,
2.4.1 and 4.3.1.
"""

import asyncio

import httpx

from tests.gql.api import Api, Person
from tests.resolvers.key_ring import code_of, make_key
from tests.security.conftest import KEY_REQUESTS, Site

FULL = "{ products(first: 100) { nodes { id name price stock createdAt updatedAt description sku barcode archived } } }"


async def test_who_is_not_signed_in_is_refused_as_a_whole_with_429(site: Site) -> None:
    document = "{ " + " ".join(f"n{number}: nodes(ids: $ids) {{ id }}" for number in range(40)) + " }"
    variables = {"ids": ["prd_01J00000000000000000000000"] * 100}
    answers = [await site.post(f"query ($ids: [ID!]!) {document}", variables) for _ in range(8)]
    refused = answers[-1]
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert "data" not in refused.json()
    assert [error["extensions"]["code"] for error in refused.json()["errors"]] == ["RATE_LIMITED"]
    assert await site.codes("{ __typename }") == []


async def test_a_user_is_refused_when_the_budget_is_spent_and_others_are_not(site: Site, ada: Person) -> None:
    bob = await site.sign_up("bob@example.org")
    answers = await asyncio.gather(
        *(
            site.post("{ " + " ".join(f"p{n}: " + FULL[2:-2] for n in range(40)) + " }", Authorization=f"Bearer {ada.access_token}")
            for _ in range(5)
        )
    )
    assert {answer.status_code for answer in answers} == {200, 429}
    assert await site.codes(FULL, Authorization=f"Bearer {bob.access_token}") == []


async def test_an_api_key_is_told_what_it_has_left_and_then_to_wait(site: Site, api: Api, ada: Person) -> None:
    key = (await make_key(api, ada))["key"]
    async with httpx.AsyncClient(base_url=f"{site.url}/api/v1", headers={"Authorization": f"Bearer {key}"}) as client:
        answers = [await client.get("/products") for _ in range(KEY_REQUESTS + 1)]
    assert [answer.status_code for answer in answers] == [200] * KEY_REQUESTS + [429]
    assert answers[0].headers["ratelimit-policy"] == '"key";q=5;w=60'
    assert answers[0].headers["ratelimit"] == '"key";r=4;t=12'
    assert code_of(answers[-1], 429) == "RATE_LIMITED"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 12
