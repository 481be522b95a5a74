from typing import Any, ClassVar, TypeVar

import pytest

from datastore import deleting, references
from datastore.database import MAJORITY, Database
from datastore.errors import ConflictError
from datastore.migrate import migrate
from datastore.schema import Product, ProductCategory, StockMovement
from datastore.scope import Scope
from datastore.tables import Index, OnDelete, OwnedRow, Reference, TableSpec
from datastore.writing import Writer
from tests.datastore.samples import MOMENT, category, count, document_of, movement, product, stored, write

T = TypeVar("T")


async def test_a_row_that_others_hold_is_not_deleted_and_they_are_named(database: Database, scope: Scope) -> None:
    drinks = category(scope)
    coffee = product(scope, category_id=drinks.id)
    await stored(database, drinks, coffee)
    with pytest.raises(ConflictError, match=f"product category is still referred to by the product {coffee.id}"):
        await write(database, scope, lambda writer: writer.delete(drinks))

    async def both(writer: Writer) -> None:
        await writer.delete(coffee)
        await writer.delete(drinks)

    await write(database, scope, both)
    assert [await count(database, Product), await count(database, ProductCategory)] == [0, 0]


async def test_what_goes_with_a_row_goes_with_it_in_batches(database: Database, scope: Scope) -> None:
    coffee, tea = product(scope), product(scope)
    await stored(database, coffee, tea, *(movement(scope, coffee) for _ in range(1203)), movement(scope, tea))
    await write(database, scope, lambda writer: writer.delete(coffee))
    assert [await count(database, Product), await count(database, StockMovement)] == [1, 1]


async def test_deleting_what_is_gone_is_a_conflict(database: Database, scope: Scope) -> None:
    with pytest.raises(ConflictError):
        await write(database, scope, lambda writer: writer.delete(product(scope)))


class Shelf(OwnedRow):
    """A table of this test: shelves stand in shelves, and beside others that must not go."""

    spec: ClassVar = TableSpec(
        "test_shelves",
        "shf",
        "shelf",
        indexes=(Index("by_parent", ("parent_id",)), Index("by_beside", ("beside_id",))),
        references=(Reference("parent_id", "test_shelves", OnDelete.CASCADE), Reference("beside_id", "test_shelves", OnDelete.RESTRICT)),
    )
    parent_id: str | None
    beside_id: str | None


class Label(OwnedRow):
    """A table of this test: labels hang at shelves, loosely or firmly."""

    spec: ClassVar = TableSpec(
        "test_labels",
        "lbl",
        "label",
        indexes=(Index("by_shelf", ("shelf_id",)), Index("by_firm", ("firm_id",))),
        references=(Reference("shelf_id", "test_shelves", OnDelete.CLEAR), Reference("firm_id", "test_shelves", OnDelete.RESTRICT)),
    )
    shelf_id: str | None
    firm_id: str | None


@pytest.fixture
async def shelves(database: Database, scope: Scope, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The two tables above, and a way to make a row of each."""
    monkeypatch.setattr(deleting, "TABLES", (Shelf, Label))
    named: dict[str, type[OwnedRow]] = {"test_shelves": Shelf, "test_labels": Label}
    monkeypatch.setattr(references, "TABLES_BY_NAME", named)
    await migrate(database, (Shelf, Label))

    def make(table: type[OwnedRow], **columns: Any) -> Any:
        plain: dict[str, Any] = {"id": table.new_id(), "created_at": MOMENT, "updated_at": MOMENT, "account_id": scope.account_id}
        fields: dict[str, Any] = dict.fromkeys(table.model_fields)
        return table(**fields | plain | columns)

    yield make
    for table in (Shelf, Label):
        await database.command({"drop": table.spec.name, "writeConcern": MAJORITY})


async def test_rows_go_level_by_level_and_what_stays_loses_its_reference(database: Database, scope: Scope, shelves: Any) -> None:
    top = shelves(Shelf, parent_id=None)
    middle = [shelves(Shelf, parent_id=top.id) for _ in range(3)]
    bottom = [shelves(Shelf, parent_id=shelf.id) for shelf in middle]
    apart = shelves(Shelf, parent_id=None)
    loose = shelves(Label, shelf_id=bottom[0].id, firm_id=None)
    await stored(database, top, *middle, *bottom, apart, loose)
    await write(database, scope, lambda writer: writer.delete(top))
    assert await count(database, Shelf) == 1
    cleared = await write(database, scope, lambda writer: writer.get(Label, loose.id))
    assert cleared is not None
    assert cleared.shelf_id is None
    assert cleared.updated_at > loose.updated_at


async def test_a_row_deep_below_that_is_held_keeps_everything(database: Database, scope: Scope, shelves: Any) -> None:
    top = shelves(Shelf, parent_id=None)
    below = shelves(Shelf, parent_id=top.id)
    firm = shelves(Label, shelf_id=top.id, firm_id=below.id)
    await stored(database, top, below, firm)

    async def give_up(writer: Writer) -> None:
        with pytest.raises(ConflictError, match=f"This shelf is still referred to by the label {firm.id}"):
            await writer.delete(top)

    await write(database, scope, give_up)
    assert [await count(database, Shelf), await count(database, Label)] == [2, 1]
    assert await document_of(database, firm) == firm.to_document()


async def test_a_row_that_goes_too_holds_nothing(database: Database, scope: Scope, shelves: Any) -> None:
    top = shelves(Shelf, parent_id=None)
    await stored(database, top, shelves(Shelf, parent_id=top.id, beside_id=top.id))
    await write(database, scope, lambda writer: writer.delete(top))
    assert await count(database, Shelf) == 0


async def test_shelves_that_stand_in_each_other_can_be_deleted(database: Database, scope: Scope, shelves: Any) -> None:
    one, two = Shelf.new_id(), Shelf.new_id()
    first = shelves(Shelf, id=one, parent_id=two)
    await stored(database, first, shelves(Shelf, id=two, parent_id=one))
    await write(database, scope, lambda writer: writer.delete(first))
    assert await count(database, Shelf) == 0
