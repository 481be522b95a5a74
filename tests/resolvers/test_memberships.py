import pytest

from datastore.database import Database
from datastore.errors import UnauthenticatedError
from resolvers.auth import authenticate
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.resolvers.conftest import contents
from tests.resolvers.shop import make_product
from tests.resolvers.teams import SWITCH, join, sign_in, switch

LIST = "{ memberships { accountId businessName role current } }"
NAMES = "{ products { nodes { name } } }"
REFRESH = "mutation ($token: String!) { refreshSession(refreshToken: $token) { user { account { id } } } }"


async def test_somebody_in_two_businesses_sees_one_at_a_time(api: Api, owner: Person, stranger: Person) -> None:
    await make_product(api, owner, "Assam")
    await make_product(api, stranger, "Banana")
    there = await join(api, owner, "STAFF", stranger)
    expected = [
        {"accountId": stranger.account_id, "businessName": "Mallory", "role": "OWNER", "current": False},
        {"accountId": owner.account_id, "businessName": "Ada Lovelace", "role": "STAFF", "current": True},
    ]
    assert (await api.data(LIST, caller=there))["memberships"] == expected
    assert await api.data(NAMES, caller=there) == {"products": {"nodes": [{"name": "Assam"}]}}
    assert await api.data(NAMES, caller=stranger) == {"products": {"nodes": [{"name": "Banana"}]}}


async def test_a_device_that_switches_leaves_nothing_of_the_other_business_behind(
    api: Api, services: Services, owner: Person, stranger: Person, database: Database
) -> None:
    await join(api, owner, "STAFF", stranger)
    async with api.watch(f"subscription {{ live {NAMES} }}", caller=stranger) as watching:
        there = await switch(api, stranger, owner.account_id)
        await watching.until(lambda: "errors" in watching.last)
        assert watching.last["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    with pytest.raises(UnauthenticatedError):
        await authenticate(services, stranger.access_token)
    assert await api.code(REFRESH, {"token": stranger.refresh_token}) == "UNAUTHENTICATED"
    viewer = (await api.data("{ viewer { role account { id } } }", caller=there))["viewer"]
    assert viewer == {"role": "STAFF", "account": {"id": owner.account_id}}
    refreshed = await api.data(REFRESH, {"token": there.refresh_token})
    assert refreshed["refreshSession"]["user"]["account"]["id"] == owner.account_id
    told = [(row["event"], row["account_id"]) for row in (await contents(database))["audit_events"]]
    assert told.count(("ACCOUNT_SWITCHED", owner.account_id)) == 1


async def test_signing_in_leads_to_the_business_that_is_named(api: Api, owner: Person, stranger: Person) -> None:
    await join(api, owner, "MANAGER", stranger)
    assert (await sign_in(api, stranger)).account_id == stranger.account_id
    assert (await sign_in(api, stranger, owner.account_id)).account_id == owner.account_id


async def test_nobody_gets_into_a_business_that_is_not_theirs(api: Api, owner: Person, stranger: Person) -> None:
    assert await api.code(SWITCH, {"id": owner.account_id}, caller=stranger) == "NOT_FOUND"
    assert await api.code(SWITCH, {"id": stranger.user_id}, caller=stranger) == "INVALID_INPUT"
    assert await api.code(SWITCH, {"id": owner.account_id}) == "UNAUTHENTICATED"
    with pytest.raises(AssertionError, match="NOT_FOUND"):
        await sign_in(api, stranger, owner.account_id)
    assert (await api.data("{ viewer { account { id } } }", caller=stranger))["viewer"]["account"]["id"] == stranger.account_id


async def test_who_is_not_signed_in_has_no_businesses(api: Api) -> None:
    assert await api.code(LIST) == "UNAUTHENTICATED"
