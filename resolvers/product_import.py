"""Products that come in a table: a row makes a product, or changes the one that has its SKU.

The rows of one transaction are written in bulk (`datastore/bulk_writing.py`) by the very functions that make and change single products, so
that each is checked as they check it. Import is at most `MOST_AT_ONCE` rows as a whole, or any number in transactions of `BATCH` rows, from
each of which bad rows are left out.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Annotated, Any, Final, Literal, Protocol

import strawberry
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from datastore import schema as tables
from datastore.bulk_writing import BulkWriter, in_bulk
from datastore.errors import ConflictError, FieldProblem, ForbiddenError, InvalidInputError, NotFoundError
from datastore.folding import sort_key
from resolvers.functions import MutationContext
from resolvers.import_rows import Record, plain_name
from resolvers.money import Price, TaxRate
from resolvers.product_inputs import CreateProductInput, UpdateProductInput
from resolvers.products import create_product, update_product
from resolvers.rest_models import IN
from resolvers.scalars import MOST_QUANTITY, Count
from resolvers.settings import settings_row
from resolvers.stock import Move, move_stock
from resolvers.text import Code, Description, Name, ShortText

MOST_AT_ONCE: Final = 1_000
"""Rows that are imported all or not at all: in one transaction, which ends within a few seconds."""

BATCH: Final = 200
MOST_ROWS: Final = 100_000
MOST_SHOWN: Final = 1_000
"""Problems in one report."""

_TRIES: Final = 3
_CALLED_OFF = (ConflictError, InvalidInputError, NotFoundError, ForbiddenError)

Mode = Literal["all-or-nothing", "skip-bad"]
"""What becomes of the good rows of a table that has bad ones: nothing, or they are imported."""

AtMost = Annotated[Count, Field(le=MOST_QUANTITY)]


class ProductRow(BaseModel):
    """A row's cells; what is left out is the default of a new product, and stays as it is of one that is there."""

    model_config = IN

    name: Name | None = None
    description: Description | None = None
    sku: Code | None = None
    barcode: Code | None = None
    category: Name | None = None
    """The name of a category that there is."""
    currency: ShortText | None = None
    """Must be that of the settings."""
    price: Price | None = None
    cost: Price | None = None
    tax_rate: TaxRate | None = None
    track_stock: bool | None = None
    stock: AtMost | None = None
    """Of a product that is there, its stock is brought to this."""
    low_stock_threshold: AtMost | None = None


class PlannedRow(BaseModel):
    """A row that says something that can be tried."""

    number: int
    values: ProductRow


class RowProblem(BaseModel):
    """Why a row was not imported."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    row: int = Field(description="The row, as a spreadsheet numbers it (the header is 1); of JSON Lines, the line.")
    column: str | None = Field(description="The column that is wrong; null where it is the row as a whole.")
    message: str = Field(description="What is wrong.")


class ImportReport(BaseModel):
    """What came of a table."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    rows: int = Field(default=0, description="How many rows there were.")
    created: int = Field(default=0, description="How many products were made.")
    updated: int = Field(default=0, description="How many products were changed.")
    unchanged: int = Field(default=0, description="How many rows said what was so already.")
    failed: int = Field(default=0, description="How many rows were not imported.")
    problems: list[RowProblem] = Field(default=[], description=f"What is wrong with these: {MOST_SHOWN:,} problems at most.")

    def refuse(self, problems: Sequence[RowProblem]) -> None:
        """Counts rows that were not imported; a row may have several problems."""
        self.failed += len({problem.row for problem in problems})
        self.problems += problems[: MOST_SHOWN - len(self.problems)]


class ImportRefusedError(InvalidInputError):
    """A table of which nothing was imported, because some of its rows cannot be."""

    def __init__(self, report: ImportReport) -> None:
        first = report.problems[0]
        fields = [FieldProblem(f"row {one.row}" + (f".{one.column}" if one.column else ""), one.message) for one in report.problems]
        super().__init__(f"Nothing was imported: {report.failed:,} rows are bad, first of them row {first.row}: {first.message}", fields)
        self.report = report


class Mutate(Protocol):
    """What carries out a mutation: of the contexts of routes and of actions, the method of that name."""

    async def __call__(self, function: Callable[..., Any], /, **arguments: Any) -> Any:
        """The function's result, from a transaction of its own."""


READ_ONLY: Final = ("id", "archived", "createdAt", "updatedAt")
"""Columns that an export has and an import passes over."""

COLUMNS: Final[Mapping[str, str]] = {plain_name(name): name for name in [*(to_camel(name) for name in ProductRow.model_fields), *READ_ONLY]}
"""What a header may call the columns, as `plain_name` has it, and their names."""


async def import_products(mutate: Mutate, records: AsyncIterable[Record], *, mode: Mode, upsert: bool) -> ImportReport:
    """Imports rows. With `upsert`, a row whose SKU there is changes that product; without, it is a bad row.

    Raises ImportRefusedError where rows are bad and all or nothing is wanted, InvalidInputError for more rows than can be. An import that
    ends half-way has left whole transactions behind, each with its rows: to repeat it with `upsert` makes nothing twice that has a SKU.
    """
    report = ImportReport()
    most = MOST_ROWS if mode == "skip-bad" else MOST_AT_ONCE
    batch: list[PlannedRow] = []
    async for planned in _planned(records, report, most):
        batch.append(planned)
        if mode == "skip-bad" and len(batch) >= BATCH:
            await _import_batch(mutate, batch, report, upsert=upsert, skip_bad=True)
            batch = []
    if mode == "all-or-nothing" and report.failed:
        raise ImportRefusedError(report)
    if batch:
        await _import_batch(mutate, batch, report, upsert=upsert, skip_bad=mode == "skip-bad")
    report.problems.sort(key=lambda problem: problem.row)
    return report


def plan_row(record: Record) -> ProductRow | list[RowProblem]:
    """What a row says, or what is wrong with it."""
    if record.fault is not None:
        return [RowProblem(row=record.number, column=None, message=record.fault)]
    cells = {name: cell for name, cell in record.cells.items() if name not in READ_ONLY}
    try:
        row = ProductRow.model_validate(cells, strict=record.typed)
    except ValidationError as error:
        return [
            RowProblem(row=record.number, column=str(one["loc"][0]), message=one["msg"].removeprefix("Value error, "))
            for one in error.errors(include_input=False, include_url=False)
        ]
    if row.name is None and row.sku is None:
        return [RowProblem(row=record.number, column="name", message="has neither a name nor a SKU")]
    return row


async def carry_out(ctx: MutationContext, *, rows: list[PlannedRow], upsert: bool, skip_bad: bool) -> dict[str, Any]:
    """Imports rows in one transaction: an `ImportReport` as JSON. Internal.

    Raises ImportRefusedError where one is bad and bad rows are not to be left out.
    """
    report = ImportReport()
    currency = (await settings_row(ctx.db)).currency
    async with in_bulk(ctx.db) as db:
        for row in rows:
            try:
                with db.savepoint():
                    came_of_it = await _place(replace(ctx, db=db), db, row.values, currency, upsert=upsert)
            except _CALLED_OFF as error:
                report.refuse(_problems_of(row.number, error))
            else:
                setattr(report, came_of_it, getattr(report, came_of_it) + 1)
        if report.failed and not skip_bad:
            raise ImportRefusedError(report)
    return report.model_dump(mode="json")


async def _planned(records: AsyncIterable[Record], report: ImportReport, most: int) -> AsyncIterator[PlannedRow]:
    """The rows that can be tried; the others are in the report then. A SKU is taken by the first row that has it."""
    first: dict[str, int] = {}
    async for record in records:
        report.rows += 1
        if report.rows > most:
            raise InvalidInputError.of(f"row {record.number}", f"there may be {most:,} rows at most")
        values = plan_row(record)
        if isinstance(values, list):
            report.refuse(values)
            continue
        if values.sku is not None and first.setdefault(values.sku, record.number) != record.number:
            taken = f"row {first[values.sku]} has this SKU already"
            report.refuse([RowProblem(row=record.number, column="sku", message=taken)])
            continue
        yield PlannedRow(number=record.number, values=values)


async def _import_batch(mutate: Mutate, rows: list[PlannedRow], report: ImportReport, *, upsert: bool, skip_bad: bool) -> None:
    """Imports rows in one transaction, and adds what came of them to the report."""
    for attempt in range(_TRIES):
        try:
            done = ImportReport.model_validate(await mutate(carry_out, rows=rows, upsert=upsert, skip_bad=skip_bad))
        except ImportRefusedError as error:
            error.report.rows = report.rows
            raise
        except _CALLED_OFF as error:
            # Somebody took a SKU or deleted a category at that very moment: tried again, it is the row that is told so.
            if attempt < _TRIES - 1 and isinstance(error, ConflictError | NotFoundError):
                continue
            if not skip_bad:
                raise
            report.refuse([RowProblem(row=row.number, column=None, message=error.message) for row in rows])
            return
        report.created += done.created
        report.updated += done.updated
        report.unchanged += done.unchanged
        for _, of_one in groupby(done.problems, key=lambda problem: problem.row):
            report.refuse(list(of_one))
        return


async def _place(
    ctx: MutationContext, db: BulkWriter, row: ProductRow, currency: str, *, upsert: bool
) -> Literal["created", "updated", "unchanged"]:
    """Makes or changes the product of a row."""
    if row.currency is not None and row.currency != currency:
        raise InvalidInputError.of("input.currency", f"must be {currency}, the currency of the settings")
    values: dict[str, Any] = row.model_dump(exclude_none=True, exclude={"category", "currency", "stock"})
    if row.category is not None:
        values["category_id"] = await _category_id(db, row.category)
    there = None if row.sku is None else await db.find(tables.Product, "by_sku", row.sku)
    if there is None:
        for name in ("name", "price"):
            if name not in values:
                raise InvalidInputError.of(f"input.{name}", "is needed for a new product")
        if row.stock is not None:
            values["stock"] = row.stock
        await create_product(ctx, CreateProductInput(**values))
        return "created"
    if not upsert:
        raise ConflictError("A product with this sku exists already.")
    given = db.given
    await update_product(ctx, UpdateProductInput(id=strawberry.ID(there.id), **values))
    now = await db.get_existing(tables.Product, there.id)
    if row.stock is not None and row.stock != now.stock:
        await move_stock(ctx, [Move(now, row.stock - now.stock, "Import")])
    return "updated" if db.given > given else "unchanged"


async def _category_id(db: BulkWriter, name: str) -> str:
    category = await db.find(tables.ProductCategory, "by_name", sort_key(name))
    if category is None:
        raise InvalidInputError.of("input.category", f"there is no category called “{name}”")
    return category.id


def _problems_of(number: int, error: ConflictError | InvalidInputError | NotFoundError | ForbiddenError) -> list[RowProblem]:
    fields = error.fields if isinstance(error, InvalidInputError) else ()
    if not fields:
        return [RowProblem(row=number, column=None, message=error.message)]
    return [RowProblem(row=number, column=field.path.removeprefix("input."), message=field.message) for field in fields]
