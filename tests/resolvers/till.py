"""A till: sales, refunds and voids through the public API."""

from typing import Any

from tests.gql.api import Api, Person

ITEM = "id name sku quantity currency unitPrice discount tax taxRate total refundedQuantity refunded product { id }"
REFUND = "id number currency amount tax paymentMethod reason refundedAt refundedOn refundedBy { userId name }"
SALE = f"""
id createdAt updatedAt number status currency pricesIncludeTax subtotal discount tax total refunded paymentMethod paymentStatus
customerName customerEmail note soldAt soldOn soldBy {{ userId name role }} voidedAt voidReason items {{ {ITEM} }}
refunds {{ {REFUND} items {{ name quantity amount tax restocked }} }}
"""
RECORD_SALE = f"mutation ($input: RecordSaleInput!) {{ recordSale(input: $input) {{ {SALE} }} }}"
REFUND_SALE = f"mutation ($input: RefundSaleInput!) {{ refundSale(input: $input) {{ {SALE} }} }}"
VOID_SALE = f"mutation ($id: ID!, $reason: String!) {{ voidSale(id: $id, reason: $reason) {{ {SALE} }} }}"

Values = dict[str, Any]


def line(product: Values, quantity: int = 1, **values: Any) -> Values:
    """One line of a new sale."""
    return {"productId": product["id"], "quantity": quantity, **values}


def order(*lines: Values, **values: Any) -> Values:
    """The variables of a new sale, paid in cash where nothing else is said."""
    return {"input": {"items": list(lines), "paymentMethod": "CASH", **values}}


async def sell(api: Api, owner: Person, *lines: Values, **values: Any) -> Values:
    """A new sale."""
    sold: Values = (await api.data(RECORD_SALE, order(*lines, **values), caller=owner))["recordSale"]
    return sold


async def refund(api: Api, owner: Person, sale: Values, *parts: tuple[int, int], **values: Any) -> Values:
    """Gives back pieces of a sale's lines, as (position, quantity), or all that is left; the sale as it is then."""
    items = [{"itemId": sale["items"][position]["id"], "quantity": quantity} for position, quantity in parts] or None
    given = {"input": {"saleId": sale["id"], "items": items, **values}}
    changed: Values = (await api.data(REFUND_SALE, given, caller=owner))["refundSale"]
    return changed


async def void(api: Api, owner: Person, sale: Values, reason: str = "") -> Values:
    """Calls a sale off; the sale as it is then."""
    changed: Values = (await api.data(VOID_SALE, {"id": sale["id"], "reason": reason}, caller=owner))["voidSale"]
    return changed


async def sale_of(api: Api, owner: Person, id: str) -> Values | None:
    """A sale as it is now."""
    data = await api.data(f"query ($id: ID!) {{ sale(id: $id) {{ {SALE} }} }}", {"id": id}, caller=owner)
    found: Values | None = data["sale"]
    return found


async def entries(api: Api, owner: Person) -> list[tuple[str, str, str]]:
    """Kind, amount and description of the entries of the ledger, the newest last."""
    data = await api.data("{ transactions(first: 100) { nodes { id kind amount description } } }", caller=owner)
    nodes = sorted(data["transactions"]["nodes"], key=lambda node: node["id"])
    return [(node["kind"], node["amount"], node["description"]) for node in nodes]


def refusal(answer: dict[str, Any]) -> tuple[str, str]:
    """The code and message of the one error of an answer."""
    [error] = answer["errors"]
    return error["extensions"]["code"], error["message"]
