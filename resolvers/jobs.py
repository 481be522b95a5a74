"""Durable work as people see it: what was scheduled, how far it has come, what came of it.

A job is seen by who scheduled it, and by all owners and managers of the business. What the system does by itself is unlisted: nobody's.
"""

import json
from datetime import datetime
from enum import Enum
from typing import Annotated, Self

import strawberry
from strawberry.scalars import JSON

from datastore import schema as tables
from datastore.errors import ConflictError, NotFoundError
from datastore.jobs import schedule_again
from datastore.scope import Scope
from resolvers.arguments import DEFAULT_PAGE, After, First, id_of
from resolvers.connections import Connection
from resolvers.files import File
from resolvers.functions import MutationContext, QueryContext, field, mutation, query, shows
from resolvers.nodes import Node, node_type
from resolvers.scheduling import ACTIONS


@strawberry.enum(description="Where a job stands.")
class JobStatus(Enum):
    """The stations of a job."""

    QUEUED = strawberry.enum_value("QUEUED", description="It waits for its time, for a worker, or to be tried again.")
    RUNNING = strawberry.enum_value("RUNNING", description="A worker is at it.")
    SUCCEEDED = strawberry.enum_value("SUCCEEDED", description="It is done.")
    FAILED = strawberry.enum_value("FAILED", description="It was given up; `error` says why.")
    CANCELLED = strawberry.enum_value("CANCELLED", description="Somebody cancelled it. What it did before stays done.")


def _visible(scope: Scope, row: tables.Job) -> bool:
    """Whether somebody of the account may see a job."""
    return row.listed and (scope.role != "STAFF" or row.user_id == scope.user_id)


@node_type(tables.Job, visible=_visible)
@strawberry.type(description="Work that outlives the request that asked for it. Watched live, its `progress` is a progress bar.")
class Job(Node):
    """A job of the caller's account."""

    row: strawberry.Private[tables.Job]
    kind: str = strawberry.field(description="What is done: the name of the action.")
    status: JobStatus = strawberry.field(description="Where it stands.")
    progress: float | None = strawberry.field(
        description="The part of it that is done, from 0 to 1; null where that is not known.", metadata=shows("status", "done", "total")
    )
    done: int = strawberry.field(description="How many pieces of it are done in this attempt.")
    total: int | None = strawberry.field(description="Of how many pieces; null where that is not known.")
    attempts: int = strawberry.field(description="How often it was begun.")
    error: str | None = strawberry.field(description="Why the last attempt failed; null where none did.")
    run_at: datetime = strawberry.field(description="When it was due, or is due to be tried again.")
    started_at: datetime | None = strawberry.field(description="When the last attempt began.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    cancel_asked: bool = strawberry.field(description="Whether somebody asked for it to be cancelled.")

    @classmethod
    def of(cls, row: tables.Job) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            kind=row.kind,
            status=JobStatus(row.status),
            progress=_progress(row),
            done=row.done,
            total=row.total,
            attempts=row.attempts,
            error=row.error,
            run_at=row.run_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            cancel_asked=row.cancel_asked,
        )

    @field(columns=["kind", "user_id", "result"])
    async def result(self, ctx: QueryContext) -> JSON | None:
        """What came of it: an object whose fields the action tells; null where that is about somebody else alone."""
        action = ACTIONS.get(self.row.kind)
        if action is not None and action.private and self.row.user_id != ctx.scope.user_id:
            return None
        kept: JSON | None = None if self.row.result is None else json.loads(self.row.result)
        return kept

    @field(columns=["file_id"])
    async def file(self, ctx: QueryContext) -> File | None:
        """The file that it made; null where it made none, or that is gone."""
        row = await ctx.db.shown.get(tables.File, self.row.file_id) if self.row.file_id else None
        return None if row is None else File.of(row)


def _progress(row: tables.Job) -> float | None:
    if row.status == "SUCCEEDED":
        return 1.0
    return None if not row.total else min(1.0, row.done / row.total)


@query
async def job(ctx: QueryContext, id: Annotated[strawberry.ID, strawberry.argument(description="The id of a job.")]) -> Job | None:
    """One job, or null where there is none that you may see."""
    row = await ctx.db.get(tables.Job, id_of(tables.Job, id, "id"))
    if row is None or not _visible(ctx.scope if ctx.role == "STAFF" else ctx.caller, row):
        return None
    return Job.of(row)


@query
async def jobs(ctx: QueryContext, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Job]:
    """The jobs that you may see, the newest first: all of the business, or, for STAFF, those that you scheduled.

    Those that have ended are kept for thirty days.
    """
    mine = ctx.role == "STAFF"
    index, equals = ("by_user", (ctx.scope.user_id, True)) if mine else ("by_created", (True,))
    page = await ctx.db.shown.page(tables.Job, index, equals, first=first, after=after, descending=True)
    return Connection.of(page, Job.of)


@mutation
async def cancel_job(
    ctx: MutationContext, id: Annotated[strawberry.ID, strawberry.argument(description="The id of a job that has not ended.")]
) -> Job:
    """Cancels a job. One that waits is CANCELLED at once; of one that is RUNNING its worker is asked to stop.

    What it did outside before it stopped (a mail that was sent) stays done, and where it was quicker, it ends as it would have. CONFLICT
    where it has ended already.
    """
    row = await _existing(ctx, id)
    if row.status == "CANCELLED":
        return Job.of(row)
    if row.finished_at is not None:
        raise ConflictError("The job has ended already.")
    if row.status == "RUNNING":
        return Job.of(await ctx.db.update(row, cancel_asked=True))
    await ctx.db.drop_ticket(row)
    return Job.of(await ctx.db.update(row, status="CANCELLED", cancel_asked=True, finished_at=ctx.now))


@mutation
async def retry_job(
    ctx: MutationContext, id: Annotated[strawberry.ID, strawberry.argument(description="The id of a job that FAILED or was CANCELLED.")]
) -> Job:
    """Has a job that FAILED or was CANCELLED carried out again, with the arguments that it had. CONFLICT for any other."""
    row = await _existing(ctx, id)
    if row.status not in {"FAILED", "CANCELLED"}:
        raise ConflictError("Only a job that failed or was cancelled can be tried again.")
    return Job.of(await schedule_again(ctx.db, row, ctx.now))


async def _existing(ctx: MutationContext, id: str) -> tables.Job:
    row = await ctx.db.get_existing(tables.Job, id_of(tables.Job, id, "id"), "id")
    if not _visible(ctx.scope, row):
        raise NotFoundError("id: there is no such job.")
    return row
