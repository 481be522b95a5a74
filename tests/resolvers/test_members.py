from tests.gql.api import Api, Person
from tests.live.verify import verify_live
from tests.resolvers.shop import make_product
from tests.resolvers.till import line, sell

PROFILE = 'mutation { updateProfile(input: {name: "Augusta"}) { id } }'


async def member_id(api: Api, owner: Person) -> str:
    sold = await sell(api, owner, line(await make_product(api, owner, stock=1)))
    data = await api.data("query ($id: ID!) { sale(id: $id) { soldBy { id } } }", {"id": sold["id"]}, caller=owner)
    id: str = data["sale"]["soldBy"]["id"]
    return id


async def test_a_member_is_a_row_that_others_of_the_business_alone_see(api: Api, owner: Person, stranger: Person) -> None:
    id = await member_id(api, owner)
    document = "query ($id: ID!) { node(id: $id) { ... on Member { name role userId } } }"
    expected = {"name": "Ada Lovelace", "role": "OWNER", "userId": owner.user_id}
    assert (await api.data(document, {"id": id}, caller=owner))["node"] == expected
    assert (await api.data(document, {"id": id}, caller=stranger))["node"] is None


async def test_a_member_is_called_what_the_person_is_called_live(api: Api, owner: Person) -> None:
    id = await member_id(api, owner)

    async def rename() -> None:
        await api.data(PROFILE, caller=owner)

    await verify_live(api, "{ node(id: $id) { ... on Member { name } } }", rename, caller=owner, variables="($id: ID!)", values={"id": id})
