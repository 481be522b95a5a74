"""The work of sending a receipt: the sale as it is when the mail goes, written and drawn."""

import asyncio

from datastore import schema as tables
from datastore.errors import NotFoundError
from datastore.reading import MAX_FIRST
from resolvers.actions import ActionContext, action
from resolvers.functions import QueryContext
from resolvers.mail import AT_ONCE, Attachment, Mail
from resolvers.mail_rendering import write_mail
from resolvers.mailing import ATTEMPTS, FIRST_BACKOFF, TIMEOUT, deliver
from resolvers.receipt_sheet import Receipt, sheet_of
from resolvers.sale_lists import all_lines
from resolvers.settings import settings_row
from resolvers.thumbnails import small_picture
from resolvers.wording import Wording


@action(attempts=ATTEMPTS, first_backoff=FIRST_BACKOFF, timeout=TIMEOUT, at_once=AT_ONCE)
async def send_receipt(ctx: ActionContext, *, sale_id: str, email: str) -> None:
    """Sends the receipt of a sale to an address."""
    receipt = await ctx.query(receipt_of, sale_id=sale_id)
    wording = Wording.of(receipt.settings)
    logo = await logo_of(ctx, receipt.settings)
    pdf = await asyncio.to_thread(_draw, receipt, wording, logo)
    await deliver(ctx, receipt_mail(receipt, wording, email, pdf))


async def logo_of(ctx: ActionContext, settings: tables.Settings) -> bytes | None:
    """The logo of a business, small; None where it has none, or none that can be drawn."""
    return None if settings.logo_id is None else await small_picture(ctx, settings.logo_id)


async def receipt_of(ctx: QueryContext, sale_id: str) -> Receipt:
    """The receipt of a sale as it is now. Raises NotFoundError."""
    sale = await ctx.db.get(tables.Sale, sale_id)
    if sale is None:
        raise NotFoundError("There is no such sale.")
    refunds = await ctx.db.page(tables.Refund, "by_sale", (sale.id,), first=MAX_FIRST)
    items = await all_lines(ctx.db, tables.SaleItem, "by_sale", sale.id)
    return Receipt(await settings_row(ctx.db), sale, items, refunds.rows)


def receipt_mail(receipt: Receipt, wording: Wording, to: str, pdf: bytes) -> Mail:
    """The mail that a receipt goes with, in the words of its business."""
    business, number = receipt.settings.business_name, receipt.sale.number
    written = write_mail(
        "receipt",
        wording,
        wording.text("receipt.subject", business=business, number=number),
        name=receipt.sale.customer_name or "",
        business=business,
        receipt=sheet_of(receipt, wording, wording.money),
    )
    return Mail(to, written, business, [Attachment(wording.text("receipt.file", number=number), "application/pdf", pdf)])


def _draw(receipt: Receipt, wording: Wording, logo: bytes | None) -> bytes:
    from resolvers.receipt_pdf import receipt_pdf

    return receipt_pdf(receipt, wording, logo)
