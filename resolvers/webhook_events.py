"""What outgoing webhooks tell: the types of events, and the messages about them.

A message is JSON as Standard Webhooks suggests it, `{type, timestamp, data}`
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#payload-structure). `data` has the row as the
REST API shows it where that shows such rows, and in any case its id, by which GraphQL's `node` gives the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, cast

import orjson
from pydantic import BaseModel

from datastore import schema as tables
from datastore.changes import Change
from datastore.database import SnapshotLostError
from datastore.feed import Operation, operation_of
from datastore.rights import may_follow
from datastore.schema import TABLES_BY_NAME
from datastore.tables import OwnedRow
from datastore.versions import to_wire
from datastore.webhook_feed import Subscriber
from resolvers.auth import for_programs
from resolvers.changes import ChangedTable, changed_fields
from resolvers.functions import Kind, Marking, QueryContext
from resolvers.rest import product_view, sale_view
from resolvers.runs import Run
from resolvers.services import Services
from resolvers.table_texts import time_text

GAP: Final = "feed.gap"
TEST: Final = "webhook.test"

MOST_BYTES: Final = 128 * 1024
"""Of a message; one with a larger row goes without it."""

_VERBS: Final[dict[Operation, str]] = {"INSERT": "created", "UPDATE": "updated", "DELETE": "deleted"}
_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Event:
    """Something to be told of a row."""

    type: str
    row_id: str
    body: str


@cache
def kinds() -> dict[str, str]:
    """What the rows of each table that managers may follow are called in the types of events, as in "product_category"."""
    followed = {name: cast("type[OwnedRow]", TABLES_BY_NAME[name]) for name in (cast("str", table.value) for table in ChangedTable)}
    return {name: table.spec.noun.replace(" ", "_") for name, table in followed.items() if may_follow(table, "MANAGER")}


def checked_events(events: Sequence[str]) -> list[str]:
    """The types, each once, in their order. Raises ValueError for what is none."""
    known = {f"{kind}.{verb}" for kind in kinds().values() for verb in (_ANY, *_VERBS.values())}
    for event in events:
        if event not in known:
            names = ", ".join(sorted(kinds().values()))
            raise ValueError(f"{event[:100]!r} is no event: name a kind of row ({names}), a dot, and created, updated, deleted or *")
    return sorted(set(events))


def event_of(change: Change) -> str | None:
    """The type of the event that a change is; None where it is none."""
    operation = operation_of(change)
    kind = kinds().get(change.table)
    return None if operation is None or kind is None else f"{kind}.{_VERBS[operation]}"


def wants(events: Collection[str], type: str) -> bool:
    """Whether who asked for these types (for all, where there are none) is told of an event of this one."""
    return not events or type in events or f"{type.partition('.')[0]}.{_ANY}" in events


async def events_of(services: Services, account_id: str, user_id: str, changes: Sequence[Change]) -> list[Event | None]:
    """The events that these changes of one account are, None for each that is none; the rows as they are now, never older than the change.

    Raises UnavailableError.
    """
    rows = await _rows(services, account_id, user_id, changes)
    return [None if (type := event_of(change)) is None else Event(type, change.id, _body(type, change, rows)) for change in changes]


def message(type: str, timestamp: datetime, data: dict[str, Any]) -> str:
    """A message as it is sent."""
    return orjson.dumps({"type": type, "timestamp": time_text(timestamp), "data": data}).decode()


def gap_message(since: datetime, until: datetime) -> str:
    """The message that events have been lost between two moments: the receiver should read everything again."""
    return message(GAP, until, {"from": time_text(since), "to": time_text(until)})


def new_delivery(endpoint: Subscriber, event: Event, now: datetime, number: int) -> tables.WebhookDelivery:
    """A delivery that waits for its turn."""
    id = tables.WebhookDelivery.new_id()
    return tables.WebhookDelivery(
        id=id,
        created_at=now,
        updated_at=now,
        account_id=endpoint.account_id,
        endpoint_id=endpoint.endpoint_id,
        event=event.type,
        row_id=event.row_id or id,
        body=event.body,
        state="WAITING",
        number=number,
        attempts=0,
        next_attempt_at=None,
        last_attempt_at=None,
        response_status=None,
        response_body=None,
        error=None,
        duration_ms=None,
        delivered_at=None,
    )


def _body(type: str, change: Change, rows: dict[str, BaseModel]) -> str:
    operation = cast("Operation", operation_of(change))
    data: dict[str, Any] = {
        "table": ChangedTable(change.table).name,
        "id": change.id,
        "operation": operation,
        "version": to_wire(change.time),
    }
    if operation == "UPDATE" and change.fields is not None:
        data["changedFields"] = changed_fields(change.table, change.fields, "MANAGER")
    row = rows.get(change.id) if operation != "DELETE" else None
    if row is None:
        return message(type, change.at, data)
    whole = message(type, change.at, {**data, "row": row.model_dump(mode="json", by_alias=True)})
    return whole if len(whole) <= MOST_BYTES else message(type, change.at, data)


async def _rows(services: Services, account_id: str, user_id: str, changes: Sequence[Change]) -> dict[str, BaseModel]:
    """The rows of changes as programs are shown them, by id; those that there still are, of the tables that programs are shown."""
    shown = {change.id: change.table for change in changes if change.table in _VIEWS and operation_of(change) in {"INSERT", "UPDATE"}}
    if not shown:
        return {}
    floor = max(change.time for change in changes)

    async def read() -> dict[str, BaseModel]:
        ctx = Run(services, for_programs(account_id, user_id), floor=floor).query_context(Marking(Kind.QUERY))
        return await _viewed(cast("QueryContext", ctx), shown)

    try:
        return await read()
    except SnapshotLostError:
        return await read()


async def _viewed(ctx: QueryContext, shown: dict[str, str]) -> dict[str, BaseModel]:
    async def view(id: str, table: str) -> BaseModel | None:
        row = await ctx.db.get(cast("type[OwnedRow]", TABLES_BY_NAME[table]), id)
        return None if row is None else await _VIEWS[table](ctx, row)

    views = await asyncio.gather(*(view(id, table) for id, table in shown.items()))
    return {id: found for id, found in zip(shown, views, strict=True) if found is not None}


async def _product(_ctx: QueryContext, row: tables.Product) -> BaseModel:
    return product_view(row)


_VIEWS: Final[dict[str, Callable[[QueryContext, Any], Awaitable[BaseModel]]]] = {
    tables.Product.spec.name: _product,
    tables.Sale.spec.name: sale_view,
}
