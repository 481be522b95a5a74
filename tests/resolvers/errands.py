"""Actions for tests, each of which does what one thing that can go wrong does."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from datastore import schema as tables
from datastore.errors import ConflictError, UnavailableError
from resolvers.actions import ActionContext, Outcome, PermanentError, action
from resolvers.functions import Kind, Marking, MutationContext, QueryContext
from resolvers.runs import Run
from resolvers.scheduling import ActionFunction
from resolvers.services import Services
from tests.gql.api import Api, Person


@dataclass
class Diary:
    """What the actions did; each test begins a new one."""

    entries: list[tuple[str, int, str]] = field(default_factory=list)
    """Of each begun attempt the handle, the attempt, and what was to be done."""
    failures: list[BaseException] = field(default_factory=list)
    """What the next attempts raise."""
    going_on: asyncio.Event = field(default_factory=asyncio.Event)
    """What `wait_errand` waits for."""


diary = Diary()


def new_diary() -> Diary:
    """Forgets what was done before."""
    diary.entries.clear()
    diary.failures.clear()
    diary.going_on = asyncio.Event()
    return diary


@action(attempts=3, first_backoff=10, timeout=5)
async def run_errand(ctx: ActionContext, *, what: str) -> Outcome:
    """Writes what it is to do into the diary, and fails as that says."""
    diary.entries.append((ctx.handle, ctx.attempt, what))
    if diary.failures:
        raise diary.failures.pop(0)
    name = await ctx.query(name_of_business)
    return Outcome(result={"did": what, "for": name})


@action(attempts=3, first_backoff=10, timeout=0.05)
async def run_slow_errand(ctx: ActionContext) -> None:
    """Takes longer than it may."""
    diary.entries.append((ctx.handle, ctx.attempt, "slow"))
    await asyncio.Event().wait()


@action(attempts=3, first_backoff=10, timeout=30, at_once=2)
async def wait_errand(ctx: ActionContext, *, steps: int = 2) -> None:
    """Does half of its steps, and the others when it may go on."""
    diary.entries.append((ctx.handle, ctx.attempt, "wait"))
    await ctx.progress(steps // 2, steps)
    await diary.going_on.wait()
    await ctx.progress(steps, steps)


@action()
async def bring_what_is_no_json(ctx: ActionContext) -> Outcome:
    """Returns what no job can keep."""
    return Outcome(result={"now": ctx.now()})


@action(listed=False)
async def run_hidden_errand(ctx: ActionContext, *, what: str) -> None:
    """An errand of the system itself."""
    diary.entries.append((ctx.handle, ctx.attempt, what))


async def name_of_business(ctx: QueryContext) -> str:
    """What the business is called."""
    row = await ctx.db.find(tables.Settings, "by_account")
    assert row is not None
    return row.business_name


FAILURES: dict[str, BaseException] = {
    "away": UnavailableError("The printer does not answer."),
    "refused": PermanentError("The printer refused."),
    "odd": PermanentError("\ud800" * 3000),
    "conflict": ConflictError("The printer is sold."),
    "unexpected": ZeroDivisionError("a secret"),
}


async def schedule(api: Api, person: Person, action: ActionFunction, arguments: dict[str, Any], services: Services | None = None) -> str:
    """Schedules an action for somebody; the job's id."""

    async def body(ctx: MutationContext) -> dict[str, Any]:
        return {"id": (await ctx.schedule(action, arguments)).id}

    scope = await api.scope_of(person)
    made = await Run(services or api.services, scope).mutate(body, Marking(Kind.MUTATION), {}, "test")
    return str(made["id"])


JOB = """query ($id: ID!) { job(id: $id) {
  id kind status progress done total attempts error result runAt startedAt finishedAt cancelAsked
} }"""


async def job_of(api: Api, person: Person | None, id: str) -> Any:
    """A job as somebody sees it."""
    return (await api.data(JOB, {"id": id}, caller=person))["job"]
