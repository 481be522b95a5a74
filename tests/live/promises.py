"""What every live result must keep, whatever is written meanwhile (DESIGN, "Live queries").

Nothing torn: all of a result is one moment, so one row is the same everywhere in it, and what transactions keep true across rows is true.
Never back in time: versions rise. A result whose version is that of an acknowledged mutation, or later, contains it.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from datastore.versions import Version, from_wire
from tests.live.shops import SCALE_TOTAL, World, objects

SCALARS = (str, int, bool)


class BrokenPromiseError(AssertionError):
    """A live result that should not have been sent, or one that should have been."""


def check_results(world: World, results: list[dict[str, Any]], since: int, begun_at: Version) -> None:
    """Checks the results from number `since` on that one watcher was sent; it began to watch when `begun_at` was acknowledged."""
    check_order(results)
    for number, result in enumerate(results[since:], start=since):
        version = from_wire(result.get("extensions", {}).get("live", {}).get("version", ""))
        if version is None:
            continue
        for broken in _torn(world, result["data"]):
            raise BrokenPromiseError(f"torn: {broken} in {result}")
        known = max(version, begun_at) if number == 0 and not is_stale(result) else version
        for broken in _forgotten(world, result["data"], known):
            raise BrokenPromiseError(f"older than what was acknowledged: {broken} in {result}")


def check_order(results: list[dict[str, Any]]) -> None:
    """Versions rise strictly from result to result, but that one may be sent again to say that it may be stale, or no longer is."""
    for before, after in pairwise(result for result in results if "extensions" in result):
        earlier, later = (result["extensions"]["live"]["version"] for result in (before, after))
        if later < earlier or (later == earlier and is_stale(before) == is_stale(after)):
            raise BrokenPromiseError(f"back in time: {before} and then {after}")


def is_stale(result: dict[str, Any]) -> bool:
    """Whether the result says that it may be."""
    return bool(result.get("extensions", {}).get("live", {}).get("stale"))


def _torn(world: World, data: Any) -> Iterator[str]:
    rows: dict[str, dict[str, Any]] = {}
    for found in objects(data):
        if "id" in found:
            row = rows.setdefault(found["id"], {})
            for name, value in found.items():
                if isinstance(value, SCALARS) and row.setdefault(name, value) != value:
                    yield f"{found['id']} has {name} {row[name]!r} and {value!r}"
        if {"productCount", "forSale", "retired"} <= found.keys():
            yield from _miscounted(found)
        if "stock" in found and "stockMovements" in found:
            yield from _misadded(found)
    for shop in world.shops:
        stocks = [rows[id]["stock"] for id in shop.scale if "stock" in rows.get(id, {})]
        if len(stocks) == 2 and sum(stocks) != SCALE_TOTAL:
            yield f"the scale shows {stocks}"


def _miscounted(category: dict[str, Any]) -> Iterator[str]:
    lists = (category["forSale"], category["retired"])
    count = sum(len(page["nodes"]) for page in lists)
    if not any(page["pageInfo"]["hasNextPage"] for page in lists) and count != category["productCount"]:
        yield f"the category {category['id']} has {count} products and says {category['productCount']}"


def _misadded(product: dict[str, Any]) -> Iterator[str]:
    page = product["stockMovements"]
    total = sum(movement["delta"] for movement in page["nodes"])
    if not page["pageInfo"]["hasNextPage"] and total != product["stock"]:
        yield f"the product {product['id']} has {product['stock']} in stock, and movements of {total}"


def _forgotten(world: World, data: Any, version: Version) -> Iterator[str]:
    for found in objects(data):
        told = world.told.get(found.get("id", ""), ()) if "updatedAt" in found else ()
        expected = max((at for committed, at in told if committed <= version), default="")
        if told and found["updatedAt"] < expected:
            yield f"{found['id']} is of {found['updatedAt']}, though {expected} was acknowledged"
