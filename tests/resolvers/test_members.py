import asyncio

import pytest

from datastore.database import Database
from tests.gql.api import Api, Person
from tests.live.verify import verify_live
from tests.resolvers.conftest import contents
from tests.resolvers.shop import make_product
from tests.resolvers.teams import CHANGE_ROLE, MEMBERS, REMOVE, join, member_id, sign_in
from tests.resolvers.till import line, sell

PROFILE = 'mutation { updateProfile(input: {name: "Augusta"}) { id } }'
PRODUCTS = "subscription { live { products { nodes { name } } } }"


async def test_a_member_is_a_row_that_others_of_the_business_alone_see(api: Api, owner: Person, stranger: Person) -> None:
    id = await member_id(api, owner, owner)
    document = "query ($id: ID!) { node(id: $id) { ... on Member { name email role userId accountId } } }"
    expected = {"name": "Ada Lovelace", "email": owner.email, "role": "OWNER", "userId": owner.user_id, "accountId": owner.account_id}
    assert (await api.data(document, {"id": id}, caller=owner))["node"] == expected
    assert (await api.data(document, {"id": id}, caller=stranger))["node"] is None


async def test_a_member_is_called_what_the_person_is_called_live(api: Api, owner: Person) -> None:
    id = await member_id(api, owner, owner)

    async def rename() -> None:
        await api.data(PROFILE, caller=owner)

    await verify_live(api, "{ node(id: $id) { ... on Member { name } } }", rename, caller=owner, variables="($id: ID!)", values={"id": id})


async def test_managers_see_the_members_and_staff_only_who_sold(api: Api, owner: Person) -> None:
    manager, staff = await join(api, owner, "MANAGER"), await join(api, owner, "STAFF")
    assert await api.data(MEMBERS, caller=manager) == await api.data(MEMBERS, caller=owner)
    assert await api.code(MEMBERS, caller=staff) == "FORBIDDEN"
    sold = await sell(api, owner, line(await make_product(api, owner, stock=1)))
    seen = await api.data("query ($id: ID!) { sale(id: $id) { soldBy { name email } } }", {"id": sold["id"]}, caller=staff)
    assert seen["sale"]["soldBy"] == {"name": "Ada Lovelace", "email": None}


@pytest.mark.parametrize("role", ["MANAGER", "STAFF"])
async def test_who_is_no_owner_changes_nobody(api: Api, owner: Person, role: str) -> None:
    other = await join(api, owner, role)
    id = await member_id(api, owner, owner)
    assert await api.code(CHANGE_ROLE, {"id": id, "role": "STAFF"}, caller=other) == "FORBIDDEN"
    assert await api.code(CHANGE_ROLE, {"id": await member_id(api, owner, other), "role": "OWNER"}, caller=other) == "FORBIDDEN"
    assert await api.code(REMOVE, {"id": id}, caller=other) == "FORBIDDEN"


async def test_another_role_holds_at_once_for_every_device_and_ends_what_was_watched(api: Api, owner: Person) -> None:
    staff = await join(api, owner, "STAFF")
    tablet = await sign_in(api, staff, owner.account_id)
    own = await sign_in(api, staff)
    await make_product(api, owner, cost="1.00")
    id = await member_id(api, owner, staff)
    async with api.watch(PRODUCTS, caller=staff) as watching:
        assert (await api.data(CHANGE_ROLE, {"id": id, "role": "MANAGER"}, caller=owner))["changeMemberRole"]["role"] == "MANAGER"
        await watching.until(lambda: "errors" in watching.last)
        assert watching.last["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    costs = "{ viewer { role } products { nodes { cost } } }"
    for device in (staff, tablet):
        assert await api.data(costs, caller=device) == {"viewer": {"role": "MANAGER"}, "products": {"nodes": [{"cost": "1.00"}]}}
    assert await api.data(costs, caller=own) == {"viewer": {"role": "OWNER"}, "products": {"nodes": []}}
    await api.data(CHANGE_ROLE, {"id": id, "role": "STAFF"}, caller=owner)
    assert (await api.data(costs, caller=tablet))["products"]["nodes"] == [{"cost": None}]


async def test_who_is_removed_is_out_at_once_and_what_they_did_stays(api: Api, owner: Person) -> None:
    staff = await join(api, owner, "STAFF")
    own = await sign_in(api, staff)
    sold = await sell(api, staff, line(await make_product(api, owner, stock=1)))
    async with api.watch(PRODUCTS, caller=staff) as watching:
        await api.data(REMOVE, {"id": await member_id(api, owner, staff)}, caller=owner)
        await watching.until(lambda: "errors" in watching.last)
    assert (await api.execute("{ viewer { id } }", caller=own))["data"]["viewer"]["id"] == staff.user_id
    with pytest.raises(Exception, match="The session has ended"):
        await api.execute("{ viewer { id } }", caller=staff)
    with pytest.raises(AssertionError, match="NOT_FOUND"):
        await sign_in(api, staff, owner.account_id)
    shown = await api.data("query ($id: ID!) { sale(id: $id) { soldBy { name } } }", {"id": sold["id"]}, caller=owner)
    assert shown["sale"]["soldBy"] is None
    assert [each["accountId"] for each in (await api.data("{ memberships { accountId } }", caller=own))["memberships"]] == [own.account_id]


async def test_anybody_may_leave_but_the_last_owner(api: Api, owner: Person, database: Database) -> None:
    staff = await join(api, owner, "STAFF")
    assert await api.code(REMOVE, {"id": await member_id(api, owner, owner)}, caller=owner) == "CONFLICT"
    assert await api.code(CHANGE_ROLE, {"id": await member_id(api, owner, owner), "role": "STAFF"}, caller=owner) == "CONFLICT"
    await api.data(REMOVE, {"id": await member_id(api, owner, staff)}, caller=staff)
    assert len((await api.data(MEMBERS, caller=owner))["members"]["nodes"]) == 1
    kinds = [row["event"] for row in (await contents(database))["audit_events"] if row["account_id"] == owner.account_id]
    assert [kind for kind in kinds if "MEMBER" in kind] == ["MEMBER_INVITED", "MEMBER_JOINED", "MEMBER_REMOVED"]


async def test_of_two_owners_who_remove_each_other_at_once_one_is_left(api: Api, owner: Person) -> None:
    other = await join(api, owner, "OWNER")
    ids = [await member_id(api, owner, each) for each in (other, owner)]
    removals = [
        api.execute(REMOVE, {"id": ids[0]}, caller=owner),
        api.execute(CHANGE_ROLE, {"id": ids[1], "role": "STAFF"}, caller=other),
    ]
    answers = await asyncio.gather(*removals)
    codes = sorted(answer["errors"][0]["extensions"]["code"] if "errors" in answer else "" for answer in answers)
    assert codes in (["", "FORBIDDEN"], ["", "CONFLICT"])


async def test_who_comes_back_to_a_business_that_is_no_longer_theirs_works_in_another(api: Api, owner: Person, stranger: Person) -> None:
    """The business of the sign-up is where signing in leads, as long as they are a member there."""
    await join(api, owner, "STAFF", stranger)
    heir = await join(api, stranger, "OWNER")
    await api.data(REMOVE, {"id": await member_id(api, heir, stranger)}, caller=heir)
    assert (await sign_in(api, stranger)).account_id == owner.account_id


async def test_a_member_of_another_business_is_not_found(api: Api, owner: Person, stranger: Person) -> None:
    id = await member_id(api, stranger, stranger)
    assert await api.code(REMOVE, {"id": id}, caller=owner) == "NOT_FOUND"
    assert await api.code(CHANGE_ROLE, {"id": id, "role": "STAFF"}, caller=owner) == "NOT_FOUND"
    assert await api.code(REMOVE, {"id": owner.user_id}, caller=owner) == "INVALID_INPUT"
    assert await api.code(REMOVE, {"id": id}) == "UNAUTHENTICATED"
