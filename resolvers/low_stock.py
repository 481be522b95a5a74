"""Mail to the owners when the stock of a product comes down to its threshold: once for each time that it does, if it is switched on."""

from collections.abc import Iterable
from typing import Any

from datastore import schema as tables
from resolvers.actions import ActionContext, action
from resolvers.functions import MutationContext
from resolvers.mail import AT_ONCE
from resolvers.mailing import ATTEMPTS, FIRST_BACKOFF, TIMEOUT, business_mail, deliver_about_business, mail_owners
from resolvers.settings import settings_row


async def tell_of_low_stock(ctx: MutationContext, before: Iterable[tables.Product], after: Iterable[tables.Product]) -> None:
    """Schedules mail about the products that were not low before and are after, in the transaction that moved them.

    Where none came down, which is nearly always, it reads and writes nothing.
    """
    fallen = [now for was, now in zip(before, after, strict=True) if now.low_stock and not was.low_stock]
    if fallen and (await settings_row(ctx.db)).low_stock_email:
        products = [{"name": product.name, "stock": product.stock, "threshold": product.low_stock_threshold} for product in fallen]
        await mail_owners(ctx, send_low_stock, {"products": products})


@action(attempts=ATTEMPTS, first_backoff=FIRST_BACKOFF, timeout=TIMEOUT, at_once=AT_ONCE, listed=False)
async def send_low_stock(ctx: ActionContext, *, user_id: str, products: list[Any]) -> None:
    """Tells an owner of products whose stock came down to the threshold, as it was then."""
    about = await business_mail(ctx, user_id)
    number = about.wording.number
    shown = [{"name": each["name"], "stock": number(each["stock"]), "threshold": number(each["threshold"])} for each in products]
    await deliver_about_business(ctx, about, "low_stock", {"products": shown})
