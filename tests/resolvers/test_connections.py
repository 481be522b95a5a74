from typing import Any

import pytest

from tests.gql.api import Api, Person
from tests.resolvers.shop import make_category, make_product, problems

PAGE = """
query ($first: Int! = 2, $after: String, $descending: Boolean! = false) {
  products(first: $first, after: $after, descending: $descending) {
    nodes { name } edges { cursor node { name } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


async def page(api: Api, owner: Person, **variables: Any) -> dict[str, Any]:
    data = await api.data(PAGE, variables, caller=owner)
    products: dict[str, Any] = data["products"]
    assert [edge["node"] for edge in products["edges"]] == products["nodes"]
    return products


async def fill(api: Api, owner: Person, count: int) -> None:
    for number in range(count):
        await make_product(api, owner, f"Tea {number}")


@pytest.mark.parametrize("descending", [False, True])
async def test_pages_show_every_row_once(api: Api, owner: Person, descending: bool) -> None:
    await fill(api, owner, 5)
    seen, after = [], None
    for expected_more in (True, True, False):
        one = await page(api, owner, after=after, descending=descending)
        info = one["pageInfo"]
        assert (info["hasNextPage"], info["hasPreviousPage"]) == (expected_more, after is not None)
        assert (info["startCursor"], info["endCursor"]) == (one["edges"][0]["cursor"], one["edges"][-1]["cursor"])
        seen += [node["name"] for node in one["nodes"]]
        after = info["endCursor"]
    everything = [f"Tea {number}" for number in range(5)]
    assert seen == (everything[::-1] if descending else everything)


async def test_a_page_stays_where_it_was_when_rows_come_before_it(api: Api, owner: Person) -> None:
    await fill(api, owner, 4)
    first = await page(api, owner)
    await make_product(api, owner, "Assam")
    second = await page(api, owner, after=first["pageInfo"]["endCursor"])
    assert [node["name"] for node in second["nodes"]] == ["Tea 2", "Tea 3"]


async def test_an_empty_list_has_no_cursors(api: Api, owner: Person) -> None:
    assert await page(api, owner) == {
        "nodes": [],
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
    }


@pytest.mark.parametrize("first", [0, -1, 101, 2**31, -(2**31) - 1, 1.5, "2", None, True])
async def test_a_page_has_1_to_100_rows(api: Api, owner: Person, first: object) -> None:
    assert problems(await api.execute(PAGE, {"first": first}, caller=owner)) == ["first"]


@pytest.mark.parametrize("literal", ["0", "-1", "101", "2147483648", "9" * 5000, "1.5", '"2"'])
async def test_a_page_size_in_the_document_is_checked_alike(api: Api, owner: Person, literal: str) -> None:
    assert problems(await api.execute(f"{{ products(first: {literal}) {{ nodes {{ id }} }} }}", caller=owner)) == ["first"]


async def test_nested_lists_check_their_page_size_too(api: Api, owner: Person) -> None:
    await make_category(api, owner)
    document = "{ productCategories { nodes { products(first: 101) { nodes { id } } } } }"
    assert problems(await api.execute(document, caller=owner)) == ["first"]


async def test_a_cursor_of_another_list_is_refused(api: Api, owner: Person, stranger: Person) -> None:
    await fill(api, owner, 3)
    cursor = (await page(api, owner))["pageInfo"]["endCursor"]
    assert problems(await api.execute(PAGE, {"after": cursor, "descending": True}, caller=owner)) == ["after"]
    assert problems(await api.execute(PAGE, {"after": cursor}, caller=stranger)) == ["after"]
    other = f'{{ products(after: "{cursor}", orderBy: PRICE) {{ nodes {{ id }} }} }}'
    assert problems(await api.execute(other, caller=owner)) == ["after"]


async def test_a_cursor_that_was_tampered_with_is_refused(api: Api, owner: Person) -> None:
    await fill(api, owner, 3)
    cursor = (await page(api, owner))["pageInfo"]["endCursor"]
    flipped = [cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in range(0, len(cursor) - 1, 7)]
    for forged in (*flipped, cursor[:-2], cursor + "A", "", "null", "\0", "\ud800", "x" * 20_000):
        assert problems(await api.execute(PAGE, {"after": forged}, caller=owner)) == ["after"], forged
