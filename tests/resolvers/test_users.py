from typing import Any

import pytest

from datastore.reading import Reader, Snapshot
from datastore.schema import Member
from datastore.scope import grant
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.live.verify import verify_live
from tests.resolvers.conftest import Unchanged
from tests.resolvers.shop import problems

UPDATE = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { id name locale role account { id } } }"


async def test_nobody_is_no_viewer(api: Api) -> None:
    assert await api.data("{ viewer { id } }") == {"viewer": None}


async def test_the_viewer_sees_themself(api: Api, owner: Person) -> None:
    data = await api.data("{ viewer { id email emailVerified name locale role account { id } createdAt updatedAt } }", caller=owner)
    viewer = data["viewer"]
    assert viewer["createdAt"] == viewer["updatedAt"]
    assert viewer["createdAt"].endswith("Z")
    assert {name: viewer[name] for name in ("id", "email", "emailVerified", "name", "locale", "role", "account")} == {
        "id": owner.user_id,
        "email": owner.email,
        "emailVerified": False,
        "name": "Ada Lovelace",
        "locale": "en",
        "role": "OWNER",
        "account": {"id": owner.account_id},
    }


async def test_a_profile_changes_by_what_is_sent(api: Api, owner: Person) -> None:
    changed = (await api.data(UPDATE, {"input": {"name": " Ada King "}}, caller=owner))["updateProfile"]
    assert changed == {"id": owner.user_id, "name": "Ada King", "locale": "en", "role": "OWNER", "account": {"id": owner.account_id}}
    changed = (await api.data(UPDATE, {"input": {"locale": "fr_CA"}}, caller=owner))["updateProfile"]
    assert (changed["name"], changed["locale"]) == ("Ada King", "fr-CA")


@pytest.mark.parametrize(
    ("values", "path"),
    [({"name": ""}, "input.name"), ({"name": None}, "input.name"), ({"locale": "x"}, "input.locale"), ({"name": 5}, "input.name")],
)
async def test_a_bad_profile_is_refused(api: Api, owner: Person, nothing_written: Unchanged, values: dict[str, Any], path: str) -> None:
    async with nothing_written():
        assert problems(await api.execute(UPDATE, {"input": values}, caller=owner)) == [path]


async def test_the_others_in_the_business_read_the_name_that_somebody_has_now(api: Api, services: Services, owner: Person) -> None:
    async def member() -> Member:
        reader = Reader(Snapshot(services.database), grant(owner.account_id, owner.user_id, "OWNER"), services.cursors)
        row = await reader.find(Member, "by_user", owner.user_id)
        assert row is not None
        return row

    assert (await member()).name == "Ada Lovelace"
    await api.data(UPDATE, {"input": {"name": "Ada King"}}, caller=owner)
    renamed = await member()
    assert renamed.name == "Ada King"
    await api.data(UPDATE, {"input": {"locale": "fr"}}, caller=owner)
    assert await member() == renamed, "nothing of it changed"


async def test_a_profile_needs_somebody_who_is_signed_in(api: Api) -> None:
    assert await api.code(UPDATE, {"input": {"name": "Mallory"}}) == "UNAUTHENTICATED"


async def test_the_viewer_is_live(api: Api, owner: Person) -> None:
    async def rename() -> None:
        await api.data(UPDATE, {"input": {"name": "Ada King"}}, caller=owner)

    await verify_live(api, "{ viewer { name } }", rename, caller=owner)
