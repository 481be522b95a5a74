from typing import Any

import pytest

from tests.gql.api import Api, Person
from tests.resolvers.shop import make_product, problems
from tests.resolvers.till import line, refund, sell, void

MISSING = "sal_01J0000000000000000000000A"


@pytest.fixture
async def shop(api: Api, owner: Person) -> Person:
    """Somebody with seven sales of three days: by number, 1 of the first day, 2 to 6 of the second, 7 of the third."""
    tea = await make_product(api, owner, stock=100)
    days = ["2026-10-01T10", "2026-10-02T09", "2026-10-02T10", "2026-10-02T11", "2026-10-02T12", "2026-10-02T13", "2026-10-03T10"]
    methods = ["CASH", "CARD", "CASH", "CARD", "CASH", "CARD", "CASH"]
    names = ["Zoë Ärmel", "Grace Hopper", None, "grace kelly", None, "Ada", "Grażyna"]
    made = [
        await sell(api, owner, line(tea), soldAt=f"{day}:00:00Z", paymentMethod=method, customerName=name)
        for day, method, name in zip(days, methods, names, strict=True)
    ]
    await void(api, owner, made[2])
    await refund(api, owner, made[3])
    return owner


async def numbers(api: Api, owner: Person, arguments: str) -> list[int]:
    """The numbers of all sales that a list with these arguments shows, read a page of two at a time."""
    found: list[int] = []
    after = "null"
    while True:
        fields = "{ nodes { number } pageInfo { hasNextPage endCursor } }"
        page = (await api.data(f"{{ sales(first: 2, after: {after}, {arguments}) {fields} }}", caller=owner))["sales"]
        found += [node["number"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = f'"{page["pageInfo"]["endCursor"]}"'


LISTS: list[tuple[str, list[int]]] = [
    ("", [7, 6, 5, 4, 3, 2, 1]),
    ('from: "2026-10-02"', [7, 6, 5, 4, 3, 2]),
    ('to: "2026-10-02"', [6, 5, 4, 3, 2, 1]),
    ('from: "2026-10-02", to: "2026-10-02"', [6, 5, 4, 3, 2]),
    ('from: "2026-10-04"', []),
    ('from: "0001-01-01", to: "9999-12-31"', [7, 6, 5, 4, 3, 2, 1]),
    ("status: COMPLETED", [7, 6, 5, 2, 1]),
    ("status: VOIDED", [3]),
    ("status: REFUNDED", [4]),
    ("status: PARTLY_REFUNDED", []),
    ('status: COMPLETED, from: "2026-10-02", to: "2026-10-02"', [6, 5, 2]),
    ("paymentMethod: CASH", [7, 5, 3, 1]),
    ('paymentMethod: CARD, to: "2026-10-02"', [6, 4, 2]),
    ("paymentMethod: ONLINE", []),
    ("status: COMPLETED, paymentMethod: CASH", [7, 5, 1]),
    ('status: COMPLETED, paymentMethod: CASH, from: "2026-10-02"', [7, 5]),
    ('search: "gra"', [7, 4, 2]),
    ('search: "GRACE"', [4, 2]),
    ('search: "hopper grace"', [2]),
    ('search: "k GRACE"', [4]),
    ('search: "grace ada"', []),
    ('search: "arm"', [1]),
    ('search: "6"', [6]),
    ('search: "gra", from: "2026-10-02", to: "2026-10-02"', [4, 2]),
]


@pytest.mark.parametrize(("arguments", "expected"), LISTS)
async def test_a_list_shows_just_the_sales_that_it_says_the_newest_first(
    api: Api, shop: Person, arguments: str, expected: list[int]
) -> None:
    assert await numbers(api, shop, arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ('search: "a", status: VOIDED', "search"),
        ('search: "a", paymentMethod: CASH', "search"),
        ('search: ""', "search"),
        ('search: ".*"', "search"),
        ('search: "x", first: 0', "first"),
        ("first: 101", "first"),
        ("first: 0", "first"),
        ('after: "x"', "after"),
        ('from: "2026-10-02", to: "2026-10-01"', "to"),
        ('from: "2026-02-30"', "from"),
        ("from: 20261002", "from"),
        ('to: "tomorrow"', "to"),
        ("status: LOST", "status"),
        ("paymentMethod: BARTER", "paymentMethod"),
    ],
)
async def test_what_no_list_shows_is_refused_by_name(api: Api, owner: Person, arguments: str, path: str) -> None:
    assert problems(await api.execute(f"{{ sales({arguments}) {{ nodes {{ id }} }} }}", caller=owner)) == [path]


async def test_a_cursor_is_good_in_its_own_list_only(api: Api, shop: Person, stranger: Person) -> None:
    data: dict[str, Any] = await api.data("{ sales(first: 1) { pageInfo { endCursor } } }", caller=shop)
    cursor = data["sales"]["pageInfo"]["endCursor"]
    document = "query ($after: String!) {{ sales(after: $after {}) {{ nodes {{ number }} }} }}"
    for other in ("status: COMPLETED", "paymentMethod: CASH", 'search: "gra"'):
        assert problems(await api.execute(document.format(other), {"after": cursor}, caller=shop)) == ["after"]
    assert problems(await api.execute(document.format(""), {"after": cursor}, caller=stranger)) == ["after"]


async def test_sales_need_somebody_who_is_signed_in(api: Api) -> None:
    assert await api.code("{ sales { nodes { id } } }") == "UNAUTHENTICATED"
    assert await api.code(f'{{ sale(id: "{MISSING}") {{ id }} }}') == "UNAUTHENTICATED"
    assert await api.code("{ saleByNumber(number: 1) { id } }") == "UNAUTHENTICATED"
