"""A shop with everything in its books, and ways to break them as only a bare driver can."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import strawberry

from datastore import schema as tables
from datastore.database import MAJORITY, Database
from datastore.tables import Row
from datastore.transactions import Transaction, run_transaction
from datastore.writing import Writer
from resolvers.demo import enter_demo_shop, fill_demo_shop, trade_in_demo_shop
from resolvers.expense_inputs import UpdateExpenseInput
from resolvers.expenses import delete_expense, update_expense
from resolvers.file_rows import add_file, new_file
from resolvers.folders import CreateFolderInput, create_folder
from resolvers.functions import MutationContext
from resolvers.money import Money
from resolvers.refunds import refund_sale, void_sale
from resolvers.sale_inputs import RefundSaleInput
from resolvers.services import Services
from resolvers.settings import settings_row
from resolvers.transactions import reverse_transaction
from resolvers.verify import verify

PASSWORD = "demo-password"

Document = dict[str, Any]
Change = Mapping[str, Any] | Callable[[Document], Mapping[str, Any]]


@dataclass(frozen=True)
class Break:
    """How one row is changed (None: it is deleted), and the finding that `verify` must make of it: a pattern with the row's columns in
    braces, as they were (`{stock}`) and as they are (`{new_stock}`).
    """

    name: str
    table: type[Row]
    change: Change | None
    says: str
    where: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def plus(column: str, amount: int) -> Change:
    """A column that is so much more."""
    return lambda before: {column: before[column] + amount}


def off_by_one(table: type[Row], column: str, whose: str, where: Mapping[str, Any] | None = None, row: str = "{noun} {id}") -> Break:
    """A figure that is one more than it should be; `whose` figure tells what that is."""
    says = f"^{row.replace('{noun}', table.spec.noun)}: {column} is {{new_{column}}}, but {whose} {{{column}}}$"
    return Break(f"{table.spec.name}.{column}", table, plus(column, 1), says, where or {})


async def seeded(services: Services, *, sales: int, email: str) -> None:
    """A shop with two months of trade, and one of each thing that is put right afterwards."""
    await fill_demo_shop(services, products=30, email=email, password=PASSWORD, progress=lambda _: None)
    scope = await enter_demo_shop(services, email, PASSWORD)
    await trade_in_demo_shop(services, scope, sales=sales, months=2, last_day=date(2026, 10, 31), progress=lambda _: None)

    async def put_right(transaction: Transaction) -> None:
        db = Writer(transaction, scope)
        ctx = MutationContext(scope=scope, db=db, now=services.clock())
        numbered = [await db.find(tables.Sale, "by_number", number) for number in (1, 2)]
        called_off, given_back = [strawberry.ID(sale.id) for sale in numbered if sale is not None]
        await void_sale(ctx, called_off)
        await refund_sale(ctx, RefundSaleInput(sale_id=given_back, reason="Broken"))
        changed, deleted = await db.scan(tables.Expense, "by_incurred", (), first=2)
        amount = {"id": changed.id, "amount": Money(Decimal("999.00"))}
        await update_expense(ctx, UpdateExpenseInput.model_validate(amount))
        await delete_expense(ctx, strawberry.ID(deleted.id))
        [by_hand] = await db.scan(tables.LedgerEntry, "by_kind", ("MANUAL",), first=1)
        await reverse_transaction(ctx, strawberry.ID(by_hand.id), "Mistyped")
        await file_away(ctx, changed)
        await give_up_payment(ctx)

    await run_transaction(services.database, put_right)


async def file_away(ctx: MutationContext, expense: tables.Expense) -> None:
    """A picture in a folder: of a product, a person and the business, and the receipt of an expense. Its bytes are nowhere."""
    papers = await create_folder(ctx, CreateFolderInput(name="Papers"))
    await create_folder(ctx, CreateFolderInput(name="Invoices", parent_id=papers.id))
    facts = {"status": "READY", "folder_id": papers.id}
    scan = new_file(ctx, name="Scan.png", content_type="image/png", size=5, lapses_at=None).model_copy(update=facts)
    await add_file(ctx.db, scan, 1 << 20)
    stamp: dict[str, Any] = {"created_at": ctx.now, "updated_at": ctx.now, "account_id": scan.account_id}
    await ctx.db.insert(tables.Thumbnail(id=tables.Thumbnail.new_id(), file_id=scan.id, size="SMALL", width=9, height=9, **stamp))
    await update_expense(ctx, UpdateExpenseInput.model_validate({"id": expense.id, "receipt_ids": [scan.id]}))
    [product] = await ctx.db.scan(tables.Product, "by_created", (False,), first=1)
    await ctx.db.update(product, image_id=scan.id)
    await ctx.db.update(await settings_row(ctx.db), logo_id=scan.id)
    [member] = await ctx.db.scan(tables.Member, "by_avatar", (None,), first=1)
    await ctx.db.update(member, avatar_id=scan.id)


async def give_up_payment(ctx: MutationContext) -> None:
    """A payment of a sale that came to nothing, and the event that said so."""
    [sale] = await ctx.db.scan(tables.Sale, "by_method", ("ONLINE",), first=1)
    stamp: dict[str, Any] = {"created_at": ctx.now, "updated_at": ctx.now, "account_id": sale.account_id}
    payment = tables.Payment(
        id=tables.Payment.new_id(),
        sale_id=sale.id,
        status="CANCELED",
        currency=sale.currency,
        amount_minor=sale.total_minor,
        provider_id="pi_1",
        sealed_secret=None,
        failure="",
        notice="",
        provider_at=1,
        paid_at=None,
        job_id=tables.Job.new_id(),
        requested_by_id=ctx.scope.user_id,
        **stamp,
    )
    event: dict[str, Any] = {"payment_id": payment.id, "event_id": f"evt_{payment.id}", "kind": "payment_intent.canceled"}
    books = ctx.db.for_business
    await books.insert(payment.model_copy(update={"provider_id": f"pi_{payment.id}"}))
    await books.insert(tables.PaymentEvent(id=tables.PaymentEvent.new_id(), provider_at=1, **event, **stamp))


async def first(database: Database, table: type[Row], where: Mapping[str, Any]) -> Document:
    """The first row that is so, as it is stored."""
    reply = await database.command({"find": table.spec.name, "filter": dict(where), "sort": {"_id": 1}, "limit": 1})
    [document] = reply["cursor"]["firstBatch"]
    found: Document = document
    return found


async def replace(database: Database, table: type[Row], id: str, document: Document | None) -> None:
    """Stores a row as it is given, past every rule, or deletes it."""
    delete = {"delete": table.spec.name, "deletes": [{"q": {"_id": id}, "limit": 1}]}
    upsert = {"update": table.spec.name, "updates": [{"q": {"_id": id}, "u": document, "upsert": True}], "bypassDocumentValidation": True}
    reply = await database.command({**(delete if document is None else upsert), "writeConcern": MAJORITY})
    assert "writeErrors" not in reply, reply


@asynccontextmanager
async def broken(database: Database, one: Break) -> AsyncIterator[dict[str, str]]:
    """The books with one row broken, while the context lasts; the row's columns, as patterns."""
    before = await first(database, one.table, one.where)
    changed = one.change(before) if callable(one.change) else one.change
    after = None if changed is None else {**before, **changed}
    await replace(database, one.table, before["_id"], after)
    try:
        columns = before | {f"new_{name}": value for name, value in (after or {}).items()}
        yield {name.lstrip("_"): re.escape(str(value)) for name, value in columns.items()}
    finally:
        await replace(database, one.table, before["_id"], before)


async def assert_named(services: Services, one: Break) -> None:
    """`verify` names what was broken, the row and both figures; and says nothing any more when it has been mended."""
    async with broken(services.database, one) as columns:
        found = (await verify(services.database)).findings
    pattern = one.says.format_map(columns)
    assert [line for line in found if re.search(pattern, line)], (pattern, found)
    assert (await verify(services.database)).findings == ()
