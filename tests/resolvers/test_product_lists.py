import pytest

from tests.gql.api import Api, Person
from tests.resolvers.shop import make_category, make_product, names, problems


async def stocked_shop(api: Api, owner: Person) -> str:
    """Four products of one category and one of none; the id of the category."""
    tea: str = (await make_category(api, owner))["id"]
    await make_product(api, owner, "Étoile", "3", stock=9, categoryId=tea)
    await make_product(api, owner, "assam", "4", stock=1, lowStockThreshold=2, categoryId=tea)
    await make_product(api, owner, "Darjeeling", "1", stock=0, categoryId=tea)
    await make_product(api, owner, "Zimt", "2", trackStock=False, categoryId=tea)
    await make_product(api, owner, "Bread", "9", stock=7)
    return tea


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("first: 100", ["assam", "Bread", "Darjeeling", "Étoile", "Zimt"]),
        ("orderBy: NAME, descending: true", ["Zimt", "Étoile", "Darjeeling", "Bread", "assam"]),
        ("orderBy: PRICE", ["Darjeeling", "Zimt", "Étoile", "assam", "Bread"]),
        ("orderBy: STOCK, descending: true, first: 2", ["Étoile", "Bread"]),
        ("orderBy: CREATED_AT", ["Étoile", "assam", "Darjeeling", "Zimt", "Bread"]),
        ("categoryId: CATEGORY", ["assam", "Darjeeling", "Étoile", "Zimt"]),
        ("categoryId: CATEGORY, orderBy: PRICE, descending: true", ["assam", "Étoile", "Zimt", "Darjeeling"]),
        ("categoryId: CATEGORY, orderBy: STOCK, descending: true, first: 2", ["Étoile", "assam"]),
        ("categoryId: CATEGORY, orderBy: CREATED_AT, first: 1", ["Étoile"]),
        ("lowStock: true", ["assam", "Darjeeling"]),
        ("lowStock: true, orderBy: STOCK", ["Darjeeling", "assam"]),
        ("lowStock: false, categoryId: CATEGORY", ["Étoile", "Zimt"]),
        ("lowStock: true, categoryId: CATEGORY, descending: true", ["Darjeeling", "assam"]),
        ("archived: true, lowStock: true", []),
    ],
)
async def test_a_list_is_filtered_and_ordered_as_asked(api: Api, owner: Person, arguments: str, expected: list[str]) -> None:
    tea = await stocked_shop(api, owner)
    assert await names(api, owner, arguments.replace("CATEGORY", f'"{tea}"')) == expected


@pytest.mark.parametrize("arguments", ["lowStock: true, orderBy: PRICE", 'lowStock: false, categoryId: "CATEGORY", orderBy: STOCK'])
async def test_a_combination_without_an_index_is_refused(api: Api, owner: Person, arguments: str) -> None:
    tea = await make_category(api, owner)
    document = f"{{ products({arguments.replace('CATEGORY', tea['id'])}) {{ nodes {{ id }} }} }}"
    assert problems(await api.execute(document, caller=owner)) == ["orderBy"]


async def test_a_category_lists_its_products_with_the_same_filters(api: Api, owner: Person) -> None:
    tea = await stocked_shop(api, owner)
    document = "query ($id: ID!) { productCategory(id: $id) { products(lowStock: true) { nodes { name } } } }"
    data = await api.data(document, {"id": tea}, caller=owner)
    assert data["productCategory"]["products"]["nodes"] == [{"name": "assam"}, {"name": "Darjeeling"}]
