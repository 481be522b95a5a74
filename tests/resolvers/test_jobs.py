"""Jobs as people see them."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from datastore.errors import TillstreamError
from datastore.scope import Role, grant
from resolvers import jobs
from resolvers.auth import scope_at_work
from resolvers.calls import Calls
from resolvers.services import Services
from resolvers.workers import Worker
from tests.gql.api import LIMIT_SECONDS, Api, Person
from tests.gql.colleagues import colleague
from tests.jobs import work_off
from tests.resolvers.conftest import Unchanged
from tests.resolvers.errands import FAILURES, Diary, job_of, run_errand, run_hidden_errand, schedule, wait_errand
from tests.resolvers.shop import problems

CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { id status cancelAsked finishedAt } }"
RETRY = "mutation ($id: ID!) { retryJob(id: $id) { id status error } }"
LIST = "query ($first: Int, $after: String) { jobs(first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }"


async def test_a_job_is_carried_out_and_says_what_came_of_it(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    id = await schedule(api, owner, run_errand, {"what": "buy tea"})
    queued = await job_of(api, owner, id)
    assert (queued["kind"], queued["status"], queued["attempts"]) == ("runErrand", "QUEUED", 0)
    await work_off(services)
    job = await job_of(api, owner, id)
    assert (job["status"], job["progress"], job["attempts"], job["error"]) == ("SUCCEEDED", 1.0, 1, None)
    assert job["result"] == {"did": "buy tea", "for": "Ada Lovelace"}
    assert diary.entries == [(id, 1, "buy tea")]


async def test_jobs_are_listed_the_newest_first_a_page_at_a_time(api: Api, owner: Person) -> None:
    ids = [await schedule(api, owner, run_errand, {"what": "x"}) for _ in range(3)]
    await schedule(api, owner, run_hidden_errand, {"what": "x"})
    first = (await api.data(LIST, {"first": 2}, caller=owner))["jobs"]
    rest = (await api.data(LIST, {"after": first["pageInfo"]["endCursor"]}, caller=owner))["jobs"]
    listed = [node["id"] for page in (first, rest) for node in page["nodes"]]
    assert sorted(listed) == sorted(ids)
    assert not rest["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize("document", [CANCEL, RETRY])
async def test_a_job_of_another_business_or_of_nobody_is_not_there(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged, document: str
) -> None:
    theirs = await schedule(api, stranger, run_errand, {"what": "secret"})
    hidden = await schedule(api, owner, run_hidden_errand, {"what": "secret"})
    async with nothing_written():
        for id in (theirs, hidden):
            assert await job_of(api, owner, id) is None
            assert (await api.data("query ($id: ID!) { node(id: $id) { id } }", {"id": id}, caller=owner))["node"] is None
            assert await api.code(document, {"id": id}, caller=owner) == "NOT_FOUND"
        for id in ("x", owner.user_id, ""):
            assert problems(await api.execute(document, {"id": id}, caller=owner)) == ["id"]
        assert await api.code(document, {"id": theirs}) == "UNAUTHENTICATED"


async def calls_of(api: Api, owner: Person, role: Role, *, user_id: str = "usr_other") -> Calls:
    """Calls of somebody in this role, who is another person than the owner."""
    return Calls(api.services, grant(owner.account_id, user_id, role))


async def test_staff_see_and_cancel_what_they_scheduled_and_managers_all(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    id: Any = await schedule(api, owner, run_errand, {"what": "books"})
    staff, manager = await calls_of(api, owner, "STAFF"), await calls_of(api, owner, "MANAGER")
    own = await calls_of(api, owner, "STAFF", user_id=owner.user_id)
    async with nothing_written():
        assert await staff.query(jobs.job, id=id) is None
        assert (await staff.query(jobs.jobs)).nodes == []
        with pytest.raises(TillstreamError, match="no such job"):
            await staff.mutate(jobs.cancel_job, id=id)
    for calls in (own, manager):
        assert await calls.query(jobs.job, id=id) is not None
        assert [job.id for job in (await calls.query(jobs.jobs)).nodes] == [id]
    assert (await manager.mutate(jobs.cancel_job, id=id)).status is jobs.JobStatus.CANCELLED


async def test_a_job_that_waits_is_cancelled_at_once(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    id = await schedule(api, owner, run_errand, {"what": "never"})
    for _ in range(2):
        cancelled = (await api.data(CANCEL, {"id": id}, caller=owner))["cancelJob"]
        assert (cancelled["status"], cancelled["finishedAt"] is not None) == ("CANCELLED", True)
    await work_off(services)
    assert diary.entries == []


async def test_a_job_that_runs_is_broken_off_at_its_next_step(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    id = await schedule(api, owner, wait_errand, {})
    worker = Worker(services, slots=1)
    api.engine.listeners.append(worker)
    working = asyncio.create_task(worker.work_off())
    async with asyncio.timeout(LIMIT_SECONDS):
        while (await job_of(api, owner, id))["done"] == 0:
            await asyncio.sleep(0.01)
        asked = (await api.data(CANCEL, {"id": id}, caller=owner))["cancelJob"]
        assert (asked["status"], asked["cancelAsked"]) == ("RUNNING", True)
        await working
    api.engine.listeners.remove(worker)
    job = await job_of(api, owner, id)
    assert (job["status"], job["attempts"], job["progress"]) == ("CANCELLED", 1, 0.5)


async def test_what_was_asked_to_stop_while_its_worker_died_is_not_begun_again(
    api: Api, owner: Person, services: Services, diary: Diary
) -> None:
    id = await schedule(api, owner, run_errand, {"what": "never"})
    await services.database.command({"update": "jobs", "updates": [{"q": {}, "u": {"$set": {"status": "RUNNING"}}}]})
    assert (await api.data(CANCEL, {"id": id}, caller=owner))["cancelJob"]["status"] == "RUNNING"
    await work_off(services)
    assert (await job_of(api, owner, id))["status"] == "CANCELLED"
    assert diary.entries == []


async def test_what_has_ended_can_no_longer_be_cancelled(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    id = await schedule(api, owner, run_errand, {"what": "done"})
    await work_off(services)
    assert await api.code(CANCEL, {"id": id}, caller=owner) == "CONFLICT"
    assert await api.code(RETRY, {"id": id}, caller=owner) == "CONFLICT"


async def test_what_failed_is_tried_again_with_the_same_handle(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    diary.failures.append(FAILURES["refused"])
    id = await schedule(api, owner, run_errand, {"what": "print"})
    assert await api.code(RETRY, {"id": id}, caller=owner) == "CONFLICT"
    await work_off(services)
    again = (await api.data(RETRY, {"id": id}, caller=owner))["retryJob"]
    assert again == {"id": id, "status": "QUEUED", "error": None}
    diary.failures += [FAILURES["away"]] * 2
    for hours in range(3):
        await work_off(services, until=services.clock() + timedelta(hours=hours))
    job = await job_of(api, owner, id)
    assert (job["status"], job["attempts"]) == ("SUCCEEDED", 4)
    assert {entry[0] for entry in diary.entries} == {id}


async def test_a_job_runs_with_the_role_that_its_person_has_then(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    manager = await colleague(api, owner, "MANAGER")
    scope = await scope_at_work(services, owner.account_id, manager.user_id)
    assert scope is not None
    assert scope.role == "MANAGER"
    assert await scope_at_work(services, owner.account_id, "usr_y") is None
    listed, hidden = [await schedule(api, owner, what, {"what": "x"}) for what in (run_errand, run_hidden_errand)]
    await services.database.command({"delete": "members", "deletes": [{"q": {"user_id": owner.user_id}, "limit": 0}]})
    await work_off(services)
    job = await job_of(api, owner, listed)
    assert (job["status"], job["error"]) == ("FAILED", "Who scheduled this is no longer a member of the business.")
    assert [entry[0] for entry in diary.entries] == [hidden]
