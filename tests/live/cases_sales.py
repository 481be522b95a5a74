"""Sales, their lines and refunds, and who made them."""

from tests.live.cases import Stall, case
from tests.resolvers.till import line, refund, sale_of, sell, void

PROFILE = 'mutation { updateProfile(input: {name: "Augusta"}) { id } }'
UPDATE = "mutation ($input: UpdateProductInput!) { updateProduct(input: $input) { id } }"
SALES = "{ nodes { number status total refunded } pageInfo { hasNextPage endCursor } }"


async def open_till(stall: Stall) -> None:
    """Two sales of November: two apples and a banana to Grace by card, a day later an apple for cash."""
    apple, banana = ({"id": stall.ids[name]} for name in ("Apple", "Banana"))
    first = await sell(
        stall.api, stall.owner, line(apple, 2), line(banana), paymentMethod="CARD", customerName="Grace", soldAt="2026-11-01T10:00:00Z"
    )
    second = await sell(stall.api, stall.owner, line(apple), soldAt="2026-11-02T10:00:00Z")
    stall.ids |= {"first": first["id"], "item": first["items"][0]["id"], "second": second["id"], "member": await _member(stall)}
    page = await stall.api.data("{ sales(first: 1) { pageInfo { endCursor } } }", caller=stall.owner)
    stall.cursors["newest"] = page["sales"]["pageInfo"]["endCursor"]


async def _member(stall: Stall) -> str:
    data = await stall.api.data("{ sales(first: 1) { nodes { soldBy { id } } } }", caller=stall.owner)
    id: str = data["sales"]["nodes"][0]["soldBy"]["id"]
    return id


async def open_till_and_give_back(stall: Stall) -> None:
    """The same, and one of Grace's apples given back."""
    await open_till(stall)
    sale = await refund(stall.api, stall.owner, await _first(stall), (0, 1), reason="Bruised")
    stall.ids["refund"] = sale["refunds"][0]["id"]


async def _first(stall: Stall) -> dict[str, object]:
    found = await sale_of(stall.api, stall.owner, stall.ids["first"])
    assert found is not None
    return found


async def sell_an_apple(stall: Stall) -> None:
    await sell(stall.api, stall.owner, line({"id": stall.ids["Apple"]}), customerName="Grace", paymentMethod="CARD")


async def sell_an_apple_of_long_ago(stall: Stall) -> None:
    await sell(stall.api, stall.owner, line({"id": stall.ids["Apple"]}), soldAt="2025-05-05T10:00:00Z", customerName="Grant")


async def give_back_a_banana(stall: Stall) -> None:
    await refund(stall.api, stall.owner, await _first(stall), (1, 1))


async def give_back_the_rest(stall: Stall) -> None:
    await refund(stall.api, stall.owner, await _first(stall), reason="All of it")


async def void_the_second(stall: Stall) -> None:
    await void(stall.api, stall.owner, {"id": stall.ids["second"]}, "Mistyped")


async def rename_apple(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Apple"], "name": "Pippin"})


async def rename_oneself(stall: Stall) -> None:
    await stall.do(PROFILE)


async def change_the_reason_bare(stall: Stall) -> None:
    await stall.driver.refunds.update_one({"_id": stall.ids["refund"]}, {"$set": {"reason": "Mouldy"}})


async def change_the_lines_bare(stall: Stall) -> None:
    await stall.driver.refund_items.update_many({"refund_id": stall.ids["refund"]}, {"$set": {"name": "Apples"}})


async def change_the_number_bare(stall: Stall) -> None:
    await stall.driver.sales.update_one({"_id": stall.ids["first"]}, {"$set": {"number": 77}})


CASES = [
    case("Query.sales", f"sales(first: 1) {SALES}", sell_an_apple, open_till),
    case("Query.sales", f"sales {SALES}", sell_an_apple_of_long_ago, open_till),
    case("Query.sales", f"sales(first: 1, after: <<newest>>) {SALES}", give_back_a_banana, open_till),
    case("Query.sales", f'sales(to: "2026-11-01") {SALES}', sell_an_apple_of_long_ago, open_till),
    case("Query.sales", f'sales(from: "2026-11-02", to: "2026-11-02") {SALES}', void_the_second, open_till),
    case("Query.sales", f"sales(status: COMPLETED) {SALES}", give_back_the_rest, open_till),
    case("Query.sales", f"sales(status: VOIDED) {SALES}", void_the_second, open_till),
    case("Query.sales", f"sales(paymentMethod: CARD) {SALES}", sell_an_apple, open_till),
    case("Query.sales", f"sales(status: COMPLETED, paymentMethod: CARD) {SALES}", give_back_a_banana, open_till),
    case("Query.sales", f'sales(search: "gra") {SALES}', sell_an_apple_of_long_ago, open_till),
    case("Query.sales", f'sales(search: "grace", first: 1) {SALES}', sell_an_apple, open_till),
    case("Query.sale", "sale(id: <second>) { status voidedAt voidReason updatedAt }", void_the_second, open_till),
    case("Query.sale", "sale(id: <first>) { refunded }", give_back_a_banana, open_till),
    case("Query.saleByNumber", "saleByNumber(number: 3) { total customerName }", sell_an_apple, open_till),
    case("Query.saleByNumber", "saleByNumber(number: 1) { status }", change_the_number_bare, open_till),
    case("Query.sale Sale.items", "sale(id: <first>) { items { refundedQuantity refunded } }", give_back_a_banana, open_till),
    case("Query.sales Sale.items", "sales(first: 2) { nodes { items { name quantity } } }", sell_an_apple, open_till),
    case("Query.sale Sale.items SaleItem.product", "sale(id: <second>) { items { name product { name } } }", rename_apple, open_till),
    case("Query.sale Sale.refunds", "sale(id: <first>) { refunds { number amount reason } }", give_back_the_rest, open_till),
    case("Query.sale Sale.refunds", "sale(id: <first>) { refunds { reason } }", change_the_reason_bare, open_till_and_give_back),
    case(
        "Query.sale Sale.refunds Refund.items",
        "sale(id: <first>) { refunds { items { name quantity amount } } }",
        change_the_lines_bare,
        open_till_and_give_back,
    ),
    case("Query.sale Sale.refunds Refund.items", "sale(id: <first>) { refunds { items { name } } }", give_back_a_banana, open_till),
    case(
        "Query.sale Sale.refunds Refund.items RefundItem.item",
        "sale(id: <first>) { refunds { items { item { refundedQuantity } } } }",
        give_back_the_rest,
        open_till_and_give_back,
    ),
    case("Query.sale Sale.soldBy", "sale(id: <first>) { soldBy { name } }", rename_oneself, open_till),
    case("Query.sales Sale.soldBy", "sales { nodes { soldBy { name } } }", rename_oneself, open_till),
    case(
        "Query.sale Sale.refunds Refund.refundedBy",
        "sale(id: <first>) { refunds { refundedBy { name } } }",
        rename_oneself,
        open_till_and_give_back,
    ),
    case("Query.node Refund.sale", "node(id: <refund>) { ... on Refund { sale { status } } }", give_back_the_rest, open_till_and_give_back),
    case("Query.node SaleItem.sale", "node(id: <item>) { ... on SaleItem { sale { refunded } } }", give_back_a_banana, open_till),
    case("Query.node", "node(id: <member>) { ... on Member { name } }", rename_oneself, open_till),
    case("Query.nodes", "nodes(ids: [<first>, <item>]) { ... on Sale { status } updatedAt }", give_back_a_banana, open_till),
]
