"""The tables of durable work: part of the page in `datastore/schema.py`. What happens to their rows is in `datastore/jobs.py`."""

from datetime import datetime
from typing import ClassVar, Literal

from datastore.rights import EVERYONE, Rights
from datastore.tables import IdentityRow, Index, OwnedRow, Policy, TableSpec

JobStatus = Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]


class Job(OwnedRow):
    """An action that was scheduled, as the business sees it: what it is, how far it has come, and what came of it."""

    spec: ClassVar = TableSpec(
        "jobs",
        "job",
        "job",
        indexes=(
            Index("by_created", ("listed", "created_at")),
            Index("by_user", ("user_id", "listed", "created_at")),
            Index("by_finished", ("finished_at",)),
        ),
        followed=False,
        rights=Rights(read=EVERYONE, insert=EVERYONE, change=EVERYONE, own={"STAFF": "user_id"}),
    )

    kind: str
    user_id: str
    """Who scheduled it, with whose rights it runs."""
    listed: bool
    """Whether people are to see it. What the system does by itself is in nobody's list."""
    arguments: str
    """Those of the action, as JSON."""
    status: JobStatus
    attempts: int
    """How often it was begun. It rises with every claim of the ticket, and so tells who may still write here."""
    done: int
    total: int | None
    """`done` of so many pieces; null where nobody knows of how many."""
    error: str | None
    """Why the last attempt failed, in words that the caller may read."""
    result: str | None
    """What came of it, as JSON."""
    file_id: str | None
    run_at: datetime
    """When it is or was due: at first as scheduled, later when it is tried again."""
    started_at: datetime | None
    finished_at: datetime | None
    cancel_asked: bool


class JobTicket(IdentityRow):
    """A place in the queue of all accounts: a job that is to be carried out, or a cron (its `job_id` is then its kind, its account none).

    There is one for each job that has not ended. Workers take the first that is due; nobody else reads them.
    """

    spec: ClassVar = TableSpec(
        "job_tickets",
        "tkt",
        "job's ticket",
        Policy.IDENTITY,
        indexes=(Index("by_due", ("due_at", "kind")), Index("by_job", ("job_id",), unique=True)),
    )

    job_id: str
    account_id: str
    kind: str
    due_at: datetime
    """When it may be taken: as scheduled, or, while a worker has it, when that one's lease ends."""
    worker: str | None
    attempt: int
    """How often it was taken: whoever took it last has it."""
    pardoned: int
    """Of the attempts, those that do not count as failed: that a worker gave back, or that were before somebody tried again."""
