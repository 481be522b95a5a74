"""Sales that awaited their payment are paid exactly if one of their payments succeeded, and by what they come to: a part of
`tillstream verify`.
"""

from collections.abc import Iterable, Sequence

from datastore import schema as tables
from resolvers.verify_rows import Books, Record, chunked

SALE = ("account_id", "status", "payment_method", "payment_status", "paid_at", "currency", "total_minor", "refunded_minor")
PAYMENT = ("account_id", "sale_id", "status", "currency", "amount_minor", "provider_id", "paid_at")
REFUND = ("account_id", "sale_id", "amount_minor", "payment_id", "status", "provider_id")


async def check_payments(books: Books) -> None:
    """Looks at every sale that was paid online, with its payments."""
    async for sales in chunked(books.rows(tables.Sale, "by_method", SALE, payment_method="ONLINE")):
        payments = await books.of(tables.Payment, "by_sale", sales, PAYMENT)
        refunds = await books.of(tables.Refund, "by_sale", [sale for sale in sales if sale.refunded_minor], REFUND)
        for sale in sales:
            _check_sale(books, sale, payments.get(sale.id, ()))
            _check_refunds(books, sale, payments.get(sale.id, ()), refunds.get(sale.id, ()))


def _check_sale(books: Books, sale: Record, payments: Sequence[Record]) -> None:
    row, findings = f"sale {sale.id}", books.findings
    succeeded = sum(payment.status == "SUCCEEDED" for payment in payments)
    due = int(sale.paid_at is not None and sale.status != "VOIDED")
    if succeeded != due:
        findings.add(f"{row}: {succeeded} of its payments succeeded, but its paid_at and status say {due}")
    if sale.paid_at is not None:
        findings.differ(row, "payment_status", sale.payment_status, "PAID", "its paid_at says")
    for payment in payments:
        name = f"payment {payment.id}"
        books.check_currency(name, payment)
        findings.differ(name, "amount_minor", payment.amount_minor, sale.total_minor, "its sale comes to")
        if payment.status == "SUCCEEDED" and payment.provider_id is None:
            findings.add(f"{name}: it succeeded, but nobody knows which it is at Stripe")


def _check_refunds(books: Books, sale: Record, payments: Sequence[Record], refunds: Iterable[Record]) -> None:
    ids = {payment.id for payment in payments}
    for refund in refunds:
        row = f"refund {refund.id}"
        if refund.payment_id is None:
            if refund.status != "SUCCEEDED":
                books.findings.add(f"{row}: its status is {refund.status}, but it goes back by no payment")
            if sale.paid_at is not None and refund.amount_minor:
                books.findings.add(f"{row}: it goes back by no payment, but its sale was paid by one")
            continue
        if refund.payment_id not in ids:
            books.findings.add(f"{row}: it goes back by the payment {refund.payment_id}, which is none of its sale")
        if refund.status == "SUCCEEDED" and refund.provider_id is None:
            books.findings.add(f"{row}: it succeeded, but nobody knows which it is at Stripe")
