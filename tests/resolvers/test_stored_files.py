import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from datastore.errors import InvalidInputError, NotFoundError, UnavailableError
from datastore.transactions import Transaction, run_transaction
from datastore.writing import Writer
from resolvers.actions import ActionContext, Outcome, action
from resolvers.services import Services
from resolvers.stored_files import read_stored, store_result, usable_file
from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.resolvers.errands import schedule
from tests.resolvers.uploading import DELETE, PNG, READ, USAGE, create, fetch, store

JOB = "query ($id: ID!) { job(id: $id) { status error result attempts } }"
CONTENT = b"name,price\nApple,1.00\n"


async def _chunks() -> AsyncIterator[bytes]:
    yield CONTENT[:5]
    yield CONTENT[5:]


@action(attempts=3, first_backoff=0.01)
async def write_test_report(ctx: ActionContext, *, fail_first: bool) -> Outcome:
    """Makes a file, and dies at its first attempt after that where it is told to."""
    file_id = await store_result(ctx, name="report.csv", content_type="text/csv", chunks=_chunks())
    if fail_first and ctx.attempt == 1:
        raise UnavailableError("gone")
    return Outcome({"file": file_id}, file_id)


@action(attempts=1)
async def read_test_report(ctx: ActionContext, *, file_id: str) -> Outcome:
    """Reads a file."""
    content = b"".join([chunk async for chunk in read_stored(ctx, file_id)])
    return Outcome({"sha256": hashlib.sha256(content).hexdigest()})


async def done(api: Api, person: Person, services: Services, id: str) -> dict[str, Any]:
    """A job, carried out."""
    job: dict[str, Any] = {}
    while job.get("status") not in {"SUCCEEDED", "FAILED"}:
        await work_off(services)
        job = (await api.data(JOB, {"id": id}, caller=person))["job"]
    return job


@pytest.mark.parametrize("fail_first", [False, True])
async def test_what_a_job_makes_is_stored_once_however_often_it_is_begun(
    api: Api, owner: Person, services: Services, fail_first: bool
) -> None:
    job = await done(api, owner, services, await schedule(api, owner, write_test_report, {"fail_first": fail_first}))
    assert (job["status"], job["attempts"]) == ("SUCCEEDED", 1 + fail_first)
    file = (await api.data(READ, {"id": job["result"]["file"]}, caller=owner))["file"]
    assert (file["name"], file["status"], file["sha256"]) == ("report.csv", "READY", hashlib.sha256(CONTENT).hexdigest())
    assert (await fetch(file["downloadUrl"])).content == CONTENT
    usage = (await api.data(USAGE, caller=owner))["storageUsage"]
    assert (usage["used"], usage["files"]) == (len(CONTENT), 1)


async def test_a_job_reads_what_was_uploaded_but_nothing_of_others(api: Api, owner: Person, stranger: Person, services: Services) -> None:
    file = await store(api, owner, CONTENT, "x.csv", "text/csv")
    job = await done(api, owner, services, await schedule(api, owner, read_test_report, {"file_id": file["id"]}))
    assert job["result"] == {"sha256": file["sha256"]}
    job = await done(api, stranger, services, await schedule(api, stranger, read_test_report, {"file_id": file["id"]}))
    assert (job["status"], job["error"]) == ("FAILED", "There is no such file.")


async def test_only_files_that_are_ready_and_of_the_right_kind_are_referred_to(
    api: Api, owner: Person, stranger: Person, services: Services
) -> None:
    picture = await store(api, owner, PNG, "a.png", "image/png")
    text = await store(api, owner)
    pending = (await create(api, owner, PNG, "b.png", "image/png"))["file"]
    deleted = await store(api, owner, PNG, "c.png", "image/png")
    await api.data(DELETE, {"id": deleted["id"]}, caller=owner)
    theirs = await store(api, stranger, PNG, "d.png", "image/png")
    scope = await api.scope_of(owner)
    assert scope is not None

    async def check(transaction: Transaction) -> None:
        db = Writer(transaction, scope)
        assert (await usable_file(db, picture["id"], "imageId")).name == "a.png"
        assert (await usable_file(db, text["id"], "imageId", ("image/", "text/"))).name == "note.txt"
        for id in (text["id"], pending["id"], owner.user_id, "x"):
            with pytest.raises(InvalidInputError, match="imageId"):
                await usable_file(db, id, "imageId")
        for id in (deleted["id"], theirs["id"]):
            with pytest.raises(NotFoundError, match="imageId"):
                await usable_file(db, id, "imageId")

    await run_transaction(services.database, check)
