from tests.gql.api import Api, Person
from tests.live.verify import verify_live

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


async def test_the_viewer_is_live(api: Api, owner: Person) -> None:
    async def rename() -> None:
        await api.data(UPDATE, {"input": {"name": "Ada King"}}, caller=owner)

    await verify_live(api, "{ viewer { name } }", rename, caller=owner)
