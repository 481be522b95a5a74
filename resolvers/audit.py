"""Writing the trail of what was done that somebody may have to answer for. It is only added to, and never pruned.

An entry is written in the transaction of what it tells of: there is no act without its entry, and no entry of what was undone.
`audit_trail.py` shows them.
"""

from collections.abc import Mapping
from typing import Final

from datastore import schema as tables
from datastore.schema_audit import AuditKind
from datastore.tables import OwnedRow, Row
from datastore.writing import Writer
from resolvers.functions import MutationContext

MOST_DETAIL: Final = 1000
"""Characters of what stands beside an act."""

_MOST_VALUE: Final = 60


async def record(db: Writer, event: AuditKind, *, subject: str = "", detail: str = "") -> None:
    """Adds what the writer's person does to the trail of the writer's account.

    `subject` is the id of the row that it is done to; of `detail` the first 1,000 characters are kept: no secrets.
    """
    await db.for_business.insert(
        tables.AuditEvent(
            id=tables.AuditEvent.new_id(),
            created_at=db.now,
            updated_at=db.now,
            account_id=db.scope.account_id,
            event=event,
            user_id=db.scope.user_id,
            address=db.address,
            subject_id=subject,
            detail=detail[:MOST_DETAIL],
        )
    )


async def delete_recorded(db: Writer, row: OwnedRow, called: str) -> None:
    """Deletes a row, and adds that to the trail under what people call it. Raises as `Writer.delete` does."""
    await db.delete(row)
    await record(db, "DELETED", subject=row.id, detail=f"{row.spec.noun}: {called}")


async def record_export(ctx: MutationContext, what: str) -> dict[str, str]:
    """Adds to the trail that rows are handed out for keeping: an internal mutation, carried out before the first of them is."""
    await record(ctx.db, "DATA_EXPORTED", detail=what)
    return {}


def differences(before: Row, changes: Mapping[str, object]) -> str:
    """What changes of a row come to, as `detail` has it; empty where they change nothing."""
    changed = {name: (getattr(before, name), value) for name, value in changes.items() if getattr(before, name) != value}
    return "; ".join(f"{name}: {_short(old)} → {_short(new)}" for name, (old, new) in changed.items())


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _MOST_VALUE else f"{text[: _MOST_VALUE - 1]}…"
