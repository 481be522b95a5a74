"""The stock of products: the one place where it changes, with its movements and with the sum of what lies in the shelves."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from datastore import schema as tables
from datastore.errors import ConflictError, InvalidInputError
from resolvers.functions import MutationContext
from resolvers.low_stock import tell_of_low_stock
from resolvers.money import MOST_MINOR
from resolvers.scalars import MOST_QUANTITY


@dataclass(frozen=True, slots=True)
class Move:
    """So many pieces of a product come, or, negative, go; the product as it was read in this transaction."""

    product: tables.Product
    delta: int
    reason: str


async def move_stock(ctx: MutationContext, moves: Sequence[Move]) -> dict[str, tables.Product]:
    """Changes the stock of products, and gives them as they are then, by id.

    Several moves of one product are one, with the reason of the first. Raises ConflictError, naming the product, where a tracked stock
    would go below zero, or any beyond what can be counted. Owners who want to know are told what came down to its threshold.
    """
    joined = _joined(moves)
    products = await ctx.db.update_all([(move.product, {"stock": _stock_after(move)}) for move in joined])
    await ctx.db.insert_all([_movement(ctx, product, move.delta, move.reason) for product, move in zip(products, joined, strict=True)])
    before = [move.product for move in joined]
    await keep_inventory(ctx, before, products)
    await tell_of_low_stock(ctx, before, products)
    return {product.id: product for product in products}


async def open_stock(ctx: MutationContext, product: tables.Product) -> None:
    """Records the stock that a product was made with."""
    if product.stock:
        await ctx.db.insert(_movement(ctx, product, product.stock, "Initial stock"))
    await keep_inventory(ctx, [], [product])


async def keep_inventory(ctx: MutationContext, before: Iterable[tables.Product], after: Iterable[tables.Product]) -> None:
    """Keeps the sum of the shelves when products that were as in `before` are as in `after`.

    Raises InvalidInputError where it would grow beyond 64 bits.
    """
    was, now = shelf_sums(before), shelf_sums(after)
    deltas = {name: now[name] - was[name] for name in now}
    if any(abs(delta) > MOST_MINOR for delta in deltas.values()):
        raise InvalidInputError.of("input", "this much stock would be worth more than can be kept (64 bits)")
    if any(deltas.values()):
        await ctx.db.tally(tables.Inventory, {(): deltas})


def shelf_sums(products: Iterable[tables.Product]) -> Mapping[str, int]:
    """What `Inventory` holds of these products: pieces that are there of tracked ones, and the same at cost where that is known."""
    there = [(max(product.stock, 0), product.cost_minor or 0) for product in products if product.track_stock]
    return {"units": sum(units for units, _ in there), "value_minor": sum(units * cost for units, cost in there)}


def _joined(moves: Sequence[Move]) -> list[Move]:
    deltas: defaultdict[str, int] = defaultdict(int)
    first: dict[str, Move] = {}
    for move in moves:
        deltas[move.product.id] += move.delta
        first.setdefault(move.product.id, move)
    return [Move(move.product, deltas[id], move.reason) for id, move in first.items() if deltas[id]]


def _stock_after(move: Move) -> int:
    product = move.product
    stock = product.stock + move.delta
    if product.track_stock and move.delta < 0 and stock < 0:
        raise ConflictError(f"Only {max(product.stock, 0)} of “{product.name}” are in stock.")
    if abs(stock) > MOST_QUANTITY:
        raise ConflictError(f"The stock of “{product.name}” would go beyond {MOST_QUANTITY:,}.")
    return stock


def _movement(ctx: MutationContext, product: tables.Product, delta: int, reason: str) -> tables.StockMovement:
    return tables.StockMovement(
        id=tables.StockMovement.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        account_id=ctx.scope.account_id,
        product_id=product.id,
        delta=delta,
        stock_after=product.stock,
        reason=reason,
        user_id=ctx.scope.user_id,
    )
