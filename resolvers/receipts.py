"""Receipts of sales, sent to customers."""

from typing import Annotated

import strawberry

from datastore import schema as tables
from datastore.errors import ConflictError
from resolvers import receipt_mail
from resolvers.arguments import id_of
from resolvers.functions import MutationContext, mutation
from resolvers.jobs import Job
from resolvers.text import email_address, text_argument


@mutation
async def send_receipt(
    ctx: MutationContext,
    sale_id: Annotated[strawberry.ID, strawberry.argument(description="The id of a sale.")],
    email: Annotated[
        str | None, strawberry.argument(description="Where to; the customer's address, where the sale has one and this is left out.")
    ] = None,
) -> Job:
    """Sends the receipt of a sale by e-mail, as a PDF too. CONFLICT where there is no address to send it to."""
    to = None if email is None else text_argument(email, email_address, "email")
    sale = await ctx.db.get_existing(tables.Sale, id_of(tables.Sale, sale_id, "saleId"), "saleId")
    address = to or sale.customer_email
    if address is None:
        raise ConflictError(f"Sale {sale.number} has no address of its customer: give one.")
    return Job.of(await ctx.schedule(receipt_mail.send_receipt, {"sale_id": sale.id, "email": address}))
