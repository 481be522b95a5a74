"""Importing products below HTTP: what rows mean, and that they mean it in one transaction."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from datastore.bulk_writing import in_bulk
from datastore.database import Database
from datastore.errors import ConflictError, InvalidInputError
from datastore.scope import grant
from datastore.transactions import run_transaction
from datastore.writing import Writer
from resolvers import product_import
from resolvers.functions import Kind, Marking, MutationContext
from resolvers.import_rows import Record
from resolvers.product_import import (
    COLUMNS,
    ImportRefusedError,
    ImportReport,
    Mode,
    Mutate,
    ProductRow,
    RowProblem,
    import_products,
    plan_row,
)
from resolvers.runs import Run
from tests.gql.api import Api, Person
from tests.resolvers.conftest import Unchanged
from tests.resolvers.shop import make_category, make_product, product_of

IN_TURN = Marking(Kind.MUTATION, in_turn=True)


@pytest.fixture
def mutate(api: Api, owner: Person) -> Mutate:
    """What carries out a mutation of the owner's."""

    async def carried_out(function: Callable[..., Any], /, **arguments: Any) -> Any:
        scope = grant(owner.account_id, owner.user_id, "MANAGER")
        return await Run(api.services, scope).mutate(function, IN_TURN, arguments, "")

    return carried_out


async def imported(mutate: Mutate, *rows: Mapping[str, object], mode: Mode = "skip-bad", upsert: bool = True) -> ImportReport:
    async def records() -> AsyncIterator[Record]:
        for number, cells in enumerate(rows, start=2):
            yield Record(number, cells)

    return await import_products(mutate, records(), mode=mode, upsert=upsert)


async def listed(api: Api, owner: Person) -> dict[str, dict[str, Any]]:
    """All products by their names."""
    fields = "name description sku barcode price cost taxRate trackStock stock lowStockThreshold category { name productCount }"
    data = await api.data(
        f"{{ products(first: 100) {{ nodes {{ {fields} stockMovements {{ nodes {{ delta reason }} }} }} }} }}", caller=owner
    )
    return {node["name"]: node for node in data["products"]["nodes"]}


async def test_a_row_makes_a_product_as_create_product_does(api: Api, owner: Person, mutate: Mutate) -> None:
    await make_category(api, owner, "Teé")
    whole = {
        "name": " Assam ",
        "description": "Black",
        "sku": "A-1",
        "barcode": "400",
        "category": "TEE",
        "currency": "USD",
        "price": "4.50",
        "cost": "2",
        "taxRate": "7.5",
        "trackStock": "yes",
        "stock": "12",
        "lowStockThreshold": "3",
        "id": "prd_x",
        "createdAt": "long ago",
    }
    report = await imported(mutate, whole, {"name": "Cake", "price": "3"}, mode="all-or-nothing")
    assert report == ImportReport(rows=2, created=2)
    products = await listed(api, owner)
    assert products["Assam"] == {
        "name": "Assam",
        "description": "Black",
        "sku": "A-1",
        "barcode": "400",
        "price": "4.50",
        "cost": "2.00",
        "taxRate": "7.5",
        "trackStock": True,
        "stock": 12,
        "lowStockThreshold": 3,
        "category": {"name": "Teé", "productCount": 1},
        "stockMovements": {"nodes": [{"delta": 12, "reason": "Initial stock"}]},
    }
    assert products["Cake"]["stock"] == 0
    assert (await api.data("{ settings { currencyFixed } }", caller=owner))["settings"]["currencyFixed"] is True


async def test_a_row_changes_the_product_that_has_its_sku_and_leaves_what_it_does_not_say(api: Api, owner: Person, mutate: Mutate) -> None:
    await make_category(api, owner, "Tea")
    made = await make_product(api, owner, "Assam", "4.50", sku="A-1", stock=5, description="Black", cost="1.00")
    report = await imported(mutate, {"sku": "A-1", "price": "5.00", "stock": "8", "category": "tea"})
    assert report == ImportReport(rows=1, updated=1)
    products = await listed(api, owner)
    assert products["Assam"] | {"price": "5.00", "stock": 8, "description": "Black", "cost": "1.00"} == products["Assam"]
    assert products["Assam"]["category"] == {"name": "Tea", "productCount": 1}
    assert products["Assam"]["stockMovements"]["nodes"][0] == {"delta": 3, "reason": "Import"}
    again = await imported(mutate, {"sku": "A-1", "price": "5.00", "stock": "8", "category": "Tea"})
    assert again == ImportReport(rows=1, unchanged=1)
    assert await product_of(api, owner, made["id"]) is not None


async def test_the_shelves_are_worth_what_the_rows_say(api: Api, owner: Person, mutate: Mutate) -> None:
    await make_product(api, owner, "Assam", sku="A-1", stock=5, cost="1.00")
    await imported(mutate, {"sku": "A-1", "stock": "7", "cost": "2.00"}, {"name": "Cake", "price": "3", "stock": "2", "cost": "0.50"})
    value = await api.data("{ dashboard(preset: TODAY) { inventoryValue } }", caller=owner)
    assert value["dashboard"]["inventoryValue"] == "15.00"


BAD: dict[str, tuple[dict[str, object], str | None]] = {
    "no name": ({"price": "1"}, "name"),
    "no price": ({"name": "Tea"}, "price"),
    "new and without a name": ({"sku": "N-1", "price": "1"}, "name"),
    "a comma for a point": ({"name": "Tea", "price": "1,50"}, "price"),
    "a negative price": ({"name": "Tea", "price": "-1"}, "price"),
    "too fine a price": ({"name": "Tea", "price": "1.001"}, "price"),
    "an endless price": ({"name": "Tea", "price": "1" + "0" * 400}, "price"),
    "no number": ({"name": "Tea", "price": "1", "stock": "many"}, "stock"),
    "a negative stock": ({"name": "Tea", "price": "1", "stock": "-1"}, "stock"),
    "too much stock": ({"name": "Tea", "price": "1", "stock": "1" + "0" * 18}, "stock"),
    "an endless stock": ({"name": "Tea", "price": "1", "stock": "1" * 5000}, "stock"),
    "a rate of tax that cannot be": ({"name": "Tea", "price": "1", "taxRate": "101"}, "taxRate"),
    "neither true nor false": ({"name": "Tea", "price": "1", "trackStock": "maybe"}, "trackStock"),
    "another currency": ({"name": "Tea", "price": "1", "currency": "EUR"}, "currency"),
    "no such category": ({"name": "Tea", "price": "1", "category": "Nothing"}, "category"),
    "a SKU of another row": ({"name": "Tea", "price": "1", "sku": "TWICE"}, "sku"),
    "no text": ({"name": "a\u0000b", "price": "1"}, "name"),
    "too long a name": ({"name": "x" * 201, "price": "1"}, "name"),
}


async def test_bad_rows_are_left_out_and_named_with_their_columns(api: Api, owner: Person, mutate: Mutate) -> None:
    await make_product(api, owner, "There", sku="S-1")
    first = {"name": "First", "price": "1", "sku": "TWICE"}
    report = await imported(mutate, first, *(row for row, _ in BAD.values()), {"name": "Last", "price": "1"})
    assert (report.rows, report.created, report.failed) == (len(BAD) + 2, 2, len(BAD))
    assert [(problem.row, problem.column) for problem in report.problems] == list(
        enumerate((column for _, column in BAD.values()), start=3)
    )
    assert set(await listed(api, owner)) == {"There", "First", "Last"}


async def test_where_all_or_nothing_is_wanted_one_bad_row_is_nothing(
    api: Api, owner: Person, mutate: Mutate, nothing_written: Unchanged
) -> None:
    await make_product(api, owner, "There")
    for name, (row, column) in BAD.items():
        rows: list[dict[str, object]] = [{"name": "First", "price": "1", "sku": "TWICE"}, row]
        async with nothing_written():
            with pytest.raises(ImportRefusedError) as refused:
                await imported(mutate, *rows, mode="all-or-nothing")
        report = refused.value.report
        assert (report.rows, report.created, report.failed) == (2, report.created, 1), name
        assert [(problem.row, problem.column) for problem in report.problems] == [(3, column)]
        assert [field.path for field in refused.value.fields] == [f"row 3.{column}"]


async def test_without_upsert_a_product_that_is_there_is_a_bad_row(api: Api, owner: Person, mutate: Mutate) -> None:
    await make_product(api, owner, "Assam", "4.50", sku="A-1")
    report = await imported(mutate, {"sku": "A-1", "name": "Tea", "price": "1"}, upsert=False)
    assert report.problems == [RowProblem(row=2, column=None, message="A product with this sku exists already.")]


async def test_many_rows_are_many_transactions_of_which_each_is_whole(
    api: Api, owner: Person, mutate: Mutate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_import, "BATCH", 4)
    carried_out = 0

    async def counted(function: Callable[..., Any], /, **arguments: Any) -> Any:
        nonlocal carried_out
        carried_out += 1
        return await mutate(function, **arguments)

    report = await imported(counted, *({"name": f"Tea {number}", "price": "1" if number != 5 else "x"} for number in range(12)))
    assert (report.created, report.failed, carried_out) == (11, 1, 3)
    assert len(await listed(api, owner)) == 11


async def test_there_are_limits_to_how_many_rows_there_may_be(mutate: Mutate, monkeypatch: pytest.MonkeyPatch, owner: Person) -> None:
    monkeypatch.setattr(product_import, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(product_import, "MOST_ROWS", 3)
    monkeypatch.setattr(product_import, "MOST_SHOWN", 2)
    rows = [{"name": f"Tea {number}", "price": "1"} for number in range(4)]
    modes: tuple[tuple[Mode, int], ...] = (("all-or-nothing", 2), ("skip-bad", 3))
    for mode, most in modes:
        with pytest.raises(InvalidInputError, match=f"{most} rows at most"):
            await imported(mutate, *rows[: most + 1], mode=mode)
    report = await imported(mutate, *({"name": "Tea", "price": "x"} for _ in range(3)))
    assert (report.failed, [problem.row for problem in report.problems]) == (3, [2, 3])


async def test_a_row_whose_sku_is_taken_at_that_very_moment_is_the_one_that_is_told(api: Api, owner: Person, mutate: Mutate) -> None:
    raced = 0

    async def racing(function: Callable[..., Any], /, **arguments: Any) -> Any:
        async def first_somebody_else(ctx: MutationContext, **named: Any) -> dict[str, Any]:
            nonlocal raced
            report: dict[str, Any] = await function(ctx, **named)
            if not raced:
                raced += 1
                raise ConflictError("A product with this sku exists already.")
            return report

        if not raced:
            await make_product(api, owner, "There", sku="A-1")
        return await mutate(first_somebody_else, **arguments)

    report = await imported(racing, {"sku": "A-1", "name": "Tea", "price": "1"}, {"name": "Cake", "price": "1"}, upsert=False)
    assert (report.created, report.failed, [problem.row for problem in report.problems]) == (1, 1, [2])


async def test_rows_that_cannot_be_kept_together_are_all_named(mutate: Mutate, owner: Person) -> None:
    dear = {"price": "1", "cost": "9" * 13, "stock": "9000"}
    report = await imported(mutate, *({"name": f"Gold {number}", **dear} for number in range(20)))
    assert (report.created, report.failed) == (0, 20)


def test_what_a_row_says_is_strict_where_it_came_as_json() -> None:
    assert isinstance(plan_row(Record(1, {"name": "Tea", "stock": 1, "trackStock": True, "price": "1.50"}, typed=True)), ProductRow)
    for cells in ({"name": 7}, {"name": "Tea", "stock": "1"}, {"name": "Tea", "price": 1.5}, {"name": "Tea", "trackStock": 1}):
        assert isinstance(plan_row(Record(1, cells, typed=True)), list)


def test_all_columns_that_an_export_has_can_be_in_an_import() -> None:
    assert {"id", "createdAt", "taxRate", "lowStockThreshold"} <= set(COLUMNS.values())
    assert COLUMNS["taxrate"] == "taxRate"


async def test_a_writer_in_bulk_stays_the_one_that_it_is(api: Api, owner: Person, database: Database) -> None:
    scope = grant(owner.account_id, owner.user_id, "MANAGER")
    rows = [product_import.PlannedRow(number=2, values=ProductRow(name="Tea", price="1"))]  # type: ignore[arg-type]

    async def body(transaction: Any) -> None:
        ctx = MutationContext(scope=scope, db=Writer(transaction, scope), now=transaction.now)
        async with in_bulk(ctx.db) as db:
            await product_import.carry_out(replace(ctx, db=db), rows=rows, upsert=True, skip_bad=False)
            assert db.given

    await run_transaction(database, body)
    assert set(await listed(api, owner)) == {"Tea"}
