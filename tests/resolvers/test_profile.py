from typing import Any

import pytest

from datastore.reading import Reader, Snapshot
from datastore.schema import Member
from datastore.scope import grant
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.resolvers.conftest import Unchanged
from tests.resolvers.shop import problems
from tests.resolvers.teams import join

UPDATE = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { id name locale role account { id } } }"


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


async def test_every_business_of_somebody_reads_the_name_that_they_have_now(api: Api, owner: Person, stranger: Person) -> None:
    joined = await join(api, owner, "STAFF", stranger)
    await api.data(UPDATE, {"input": {"name": "Molly"}}, caller=joined)
    found = await api.data("{ members { nodes { name } } }", caller=owner)
    assert [node["name"] for node in found["members"]["nodes"]] == ["Ada Lovelace", "Molly"]
    found = await api.data("{ members { nodes { name } } }", caller=stranger)
    assert [node["name"] for node in found["members"]["nodes"]] == ["Molly"]
