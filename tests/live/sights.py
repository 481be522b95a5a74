"""What watchers have before them: each field of what they asked, its arguments, and what it shows; and which rows a page is cut out of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, InlineFragmentNode, OperationDefinitionNode, SelectionSetNode, parse
from graphql.utilities import value_from_ast_untyped

from tests.live.questions import Question
from tests.live.shops import Shop, World

ORDERS = {"NAME": "name_key", "CREATED_AT": "created_at", "PRICE": "price_minor", "STOCK": "stock"}


@dataclass(frozen=True)
class Sight:
    """One field of a watched question that has fields of its own, and what it shows."""

    question: Question
    name: str
    arguments: Mapping[str, Any]
    above: Mapping[str, Any]
    """The object that it is a field of."""
    value: Any
    selected: frozenset[str]
    """The leaves that were asked for: of the rows, where it is a page."""

    def is_page(self, *lists: str) -> bool:
        """Whether it is a page of a list, or of one of these, and not of what a search finds there."""
        if not isinstance(self.value, dict) or {"nodes", "edges"}.isdisjoint(self.value):
            return False
        return not lists or (self.name in lists and "search" not in self.arguments)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a page."""
        return self.value["nodes"] if "nodes" in self.value else [edge["node"] for edge in self.value["edges"]]

    def asked_for(self, *, there: bool) -> list[str]:
        """The ids, or the code, that it is asked for by: of those that are there, or of those that are not."""
        ids = self.arguments.get("ids") or [self.arguments[key] for key in ("id", "sku") if key in self.arguments]
        rows = self.value if isinstance(self.value, list) else [self.value]
        return [id for id, row in zip(ids, rows, strict=False) if (row is not None) == there]

    @property
    def goes_on(self) -> bool:
        """Whether a page says that more rows follow."""
        return bool(self.value.get("pageInfo", {}).get("hasNextPage"))


@dataclass(frozen=True)
class Listing:
    """The rows that a page is cut out of, as the database keeps them."""

    collection: str
    equals: Mapping[str, Any]
    order: str
    descending: bool

    async def rows(self, world: World) -> list[dict[str, Any]]:
        """All of them, in the order of the page."""
        direction = -1 if self.descending else 1
        found: list[dict[str, Any]] = (
            await world.driver[self.collection].find(dict(self.equals)).sort([(self.order, direction), ("_id", direction)]).to_list()
        )
        return found

    async def behind(self, world: World, page: Sight) -> list[dict[str, Any]]:
        """Those that follow the page; none where what it ends with has gone meanwhile."""
        rows = await self.rows(world)
        ids = [row["_id"] for row in rows]
        last = page.rows[-1]["id"]
        return rows[ids.index(last) + 1 :] if last in ids else []


def sights(question: Question, data: Mapping[str, Any]) -> Iterator[Sight]:
    """All that the result of a question shows, from the outside in."""
    [operation] = parse(question.query).definitions
    assert isinstance(operation, OperationDefinitionNode)
    yield from _walk(question, operation.selection_set, data)


def listing_of(sight: Sight, shop: Shop) -> Listing:
    """The list that a page is of."""
    given, owner = sight.arguments, {"account_id": shop.account_id}
    if sight.name == "productCategories":
        return Listing("product_categories", owner, "position", descending=False)
    if sight.name == "stockMovements":
        return Listing("stock_movements", {**owner, "product_id": given.get("productId", sight.above.get("id"))}, "created_at", True)
    equals: dict[str, Any] = {**owner, "archived": given.get("archived", False)}
    category = given.get("categoryId", sight.above.get("id"))
    if category is not None:
        equals["category_id"] = category
    if "lowStock" in given:
        equals["low_stock"] = given["lowStock"]
    return Listing("products", equals, ORDERS[given.get("orderBy", "NAME")], given.get("descending", False))


def _walk(question: Question, selections: SelectionSetNode, above: Mapping[str, Any]) -> Iterator[Sight]:
    for node in selections.selections:
        if isinstance(node, InlineFragmentNode):
            yield from _walk(question, node.selection_set, above)
        elif isinstance(node, FieldNode) and node.selection_set is not None:
            key = node.alias.value if node.alias else node.name.value
            if key not in above:  # of another type
                continue
            given = {argument.name.value: value_from_ast_untyped(argument.value) for argument in node.arguments or ()}
            value = above[key]
            yield Sight(question, node.name.value, given, above, value, frozenset(_leaves(node.selection_set)))
            for inner in value if isinstance(value, list) else [value]:
                if inner is not None:
                    yield from _walk(question, node.selection_set, inner)


def _leaves(selections: SelectionSetNode) -> Iterator[str]:
    for node in selections.selections:
        if isinstance(node, FieldNode) and node.selection_set is None:
            yield node.name.value
        elif isinstance(node, InlineFragmentNode) or (isinstance(node, FieldNode) and node.name.value in {"nodes", "edges", "node"}):
            assert node.selection_set is not None
            yield from _leaves(node.selection_set)
