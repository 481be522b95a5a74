"""Stock equals its movements, which go on one from another, the shelves' sum equals the products, and categories count what is in them: a
part of `tillstream verify`.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from datastore import schema as tables
from resolvers.verify_rows import Books, Record, chunked, ids_by_account

PRODUCT = ("account_id", "category_id", "currency", "cost_minor", "track_stock", "stock")
MOVEMENT = ("product_id", "delta", "stock_after")
CATEGORY = ("account_id", "product_count")
INVENTORY = ("account_id", "units", "value_minor")


@dataclass
class _Trail:
    """What the movements of one product say."""

    sum: int = 0
    ends: Counter[int] = field(default_factory=Counter)
    """How many more movements leave a stock of so many than begin at it."""

    def add(self, delta: int, stock_after: int) -> None:
        """One more movement, in whatever order."""
        self.sum += delta
        _count(self.ends, stock_after, 1)
        _count(self.ends, stock_after - delta, -1)


async def check_stock(books: Books) -> None:
    """Looks at all products, then at what is counted of them."""
    counts: defaultdict[tuple[str, str | None], int] = defaultdict(int)
    shelves: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    async for products in chunked(books.rows(tables.Product, "by_created", PRODUCT)):
        trails = await _trails(books, products)
        for product in products:
            row = f"product {product.id}"
            _check_trail(books, row, product.stock, trails.get(product.id, _Trail()))
            books.check_currency(row, product)
            counts[product.account_id, product.category_id] += 1
            _put(shelves[product.account_id], product)
    async for category in books.rows(tables.ProductCategory, "by_position", CATEGORY):
        count = counts[category.account_id, category.id]
        books.findings.differ(f"product category {category.id}", "product_count", category.product_count, count, "its products are")
    await _check_inventories(books, shelves)


async def _trails(books: Books, products: Sequence[Record]) -> dict[str, _Trail]:
    """Of each product that has any movement; a few figures each, however many there are."""
    trails: defaultdict[str, _Trail] = defaultdict(_Trail)
    movements = books.moment.stream_relatives(tables.StockMovement, "by_product", ids_by_account(products), MOVEMENT)
    async with aclosing(movements) as batches:
        async for batch in batches:
            books.read(len(batch))
            for movement in batch:
                trails[movement["product_id"]].add(movement["delta"], movement["stock_after"])
    return trails


def _check_trail(books: Books, row: str, stock: int, trail: _Trail) -> None:
    """From nothing to the stock that there is, each movement goes on from where another one ended.

    In which order they were made is not looked at: the clocks of the processes that made them may differ. So it is asked whether there is
    any order in which they lead there, as a path that uses every edge of a graph (Euler, 1736).
    """
    books.findings.differ(row, "stock", stock, trail.sum, "its movements make")
    _count(trail.ends, trail.sum, -1)
    _count(trail.ends, 0, 1)
    for stock_after, more in sorted(trail.ends.items()):
        if more > 0:
            books.findings.add(f"{row}: a movement has {stock_after} as its stock_after, but none goes on from there")
        else:
            books.findings.add(f"{row}: a movement goes on from a stock of {stock_after}, but none has that as its stock_after")


def _count(ends: Counter[int], stock: int, more: int) -> None:
    """Keeps only what does not cancel out."""
    ends[stock] += more
    if not ends[stock]:
        del ends[stock]


def _put(shelf: list[int], product: Record) -> None:
    if product.track_stock and product.stock > 0:
        shelf[0] += product.stock
        shelf[1] += product.stock * (product.cost_minor or 0)


async def _check_inventories(books: Books, shelves: dict[str, list[int]]) -> None:
    stored = {row.account_id: row async for row in books.rows(tables.Inventory, "by_key", INVENTORY)}
    for account in sorted(shelves.keys() | stored.keys()):
        units, value = shelves.get(account, (0, 0))
        inventory = stored.get(account, Record(units=0, value_minor=0))
        row = f"inventory of account {account}"
        books.findings.differ(row, "units", inventory.units, units, "its products make")
        books.findings.differ(row, "value_minor", inventory.value_minor, value, "its products make")
