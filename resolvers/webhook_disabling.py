"""Switching off an endpoint that can't be delivered to, and telling the owners of the business by mail."""

from datastore import schema as tables
from resolvers.auth import for_programs
from resolvers.calls import Calls
from resolvers.functions import MutationContext, QueryContext
from resolvers.mailing import mail_owners, send_webhook_disabled
from resolvers.services import Services

_MOST_MEMBERS = 100


async def disable_endpoint(services: Services, account_id: str, endpoint_id: str, reason: str) -> None:
    """Switches an endpoint off, if it is on, in the name of an owner of its business. Raises UnavailableError.

    What waits for it stays in line until it is switched on again.
    """
    owner_id = await Calls(services, for_programs(account_id, "")).query(_owner)
    if owner_id is not None:
        await Calls(services, for_programs(account_id, owner_id)).mutate(_disable, endpoint_id=endpoint_id, reason=reason)


async def _owner(ctx: QueryContext) -> str | None:
    page = await ctx.db.page(tables.Member, "by_user", (), first=_MOST_MEMBERS)
    return next((member.user_id for member in page.rows if member.role == "OWNER"), None)


async def _disable(ctx: MutationContext, *, endpoint_id: str, reason: str) -> None:
    row = await ctx.db.get(tables.WebhookEndpoint, endpoint_id)
    if row is None or not row.enabled:
        return
    await ctx.db.update(row, enabled=False, disabled_at=ctx.now, disabled_reason=reason)
    await mail_owners(ctx, send_webhook_disabled, {"url": row.url, "reason": reason})
