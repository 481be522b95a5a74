"""Durable work."""

from tests.jobs import work_off
from tests.live.cases import Stall, case
from tests.live.cases_files import rename_a
from tests.resolvers.errands import FAILURES, new_diary, run_errand, schedule
from tests.resolvers.uploading import store

JOBS = "{ nodes { createdAt kind status progress } pageInfo { hasNextPage } }"
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { id } }"
RETRY = "mutation ($id: ID!) { retryJob(id: $id) { id } }"


async def schedule_two(stall: Stall) -> None:
    new_diary()
    for name in ("first job", "second job"):
        stall.ids[name] = await schedule(stall.api, stall.owner, run_errand, {"what": name})


async def schedule_another(stall: Stall) -> None:
    await schedule(stall.api, stall.owner, run_errand, {"what": "another"})


async def carry_out(stall: Stall) -> None:
    await work_off(stall.api.services)


async def carry_out_in_vain(stall: Stall) -> None:
    new_diary().failures.extend([FAILURES["refused"]] * 2)
    await work_off(stall.api.services)


async def cancel_the_first(stall: Stall) -> None:
    await stall.do(CANCEL, id=stall.ids["first job"])


async def cancel_and_retry_the_first(stall: Stall) -> None:
    for document in (CANCEL, RETRY):
        await stall.do(document, id=stall.ids["first job"])


async def sweep_the_first_bare(stall: Stall) -> None:
    await stall.driver.jobs.delete_one({"_id": stall.ids["first job"]})


async def make_a_file(stall: Stall) -> None:
    await schedule_two(stall)
    stall.ids["file_a"] = (await store(stall.api, stall.owner, b"a", "a"))["id"]
    await stall.driver.jobs.update_one({"_id": stall.ids["first job"]}, {"$set": {"file_id": stall.ids["file_a"]}})


CASES = [
    case("Query.job Job.file", "job(id: <first job>) { file { name } }", rename_a, make_a_file),
    case("Query.jobs Job.file", "jobs { nodes { file { name } } }", rename_a, make_a_file),
    case("Query.job Job.result", "job(id: <first job>) { status progress attempts result }", carry_out, schedule_two),
    case("Query.job", "job(id: <first job>) { error finishedAt }", carry_out_in_vain, schedule_two),
    case("Query.job", "job(id: <first job>) { status }", cancel_the_first, schedule_two),
    case("Query.job", "job(id: <first job>) { status runAt }", cancel_and_retry_the_first, schedule_two),
    case("Query.job", "job(id: <first job>) { id }", sweep_the_first_bare, schedule_two),
    case("Query.jobs", f"jobs {JOBS}", schedule_another),
    case("Query.jobs", f"jobs(first: 1) {JOBS}", schedule_another, schedule_two),
    case("Query.jobs", f"jobs {JOBS}", carry_out, schedule_two),
    case("Query.jobs Job.result", "jobs { nodes { result } }", carry_out, schedule_two),
    case("Query.jobs", f"jobs {JOBS}", sweep_the_first_bare, schedule_two),
]
