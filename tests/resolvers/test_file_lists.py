from tests.gql.api import Api, Person
from tests.resolvers.shop import problems
from tests.resolvers.uploading import store

PAGE = """query ($first: Int!, $after: String, $search: String) {
  files(first: $first, after: $after, search: $search) { nodes { name } pageInfo { hasNextPage endCursor } } }"""


async def test_files_come_in_pages_that_go_on_where_the_last_one_ended(api: Api, owner: Person) -> None:
    for name in ("c", "a", "b"):
        await store(api, owner, b"x", name)
    found, after = [], None
    for _ in range(3):
        page = (await api.data(PAGE, {"first": 1, "after": after}, caller=owner))["files"]
        found += [node["name"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert found == ["a", "b", "c"]
    assert problems(await api.execute(PAGE, {"first": 1, "after": "x"}, caller=owner)) == ["after"]
    assert problems(await api.execute(PAGE, {"first": 101}, caller=owner)) == ["first"]
    assert problems(await api.execute(PAGE, {"first": 1, "search": "…"}, caller=owner)) == ["search"]
    assert problems(await api.execute(PAGE, {"first": 1, "after": after, "search": "a"}, caller=owner)) == ["after"]
