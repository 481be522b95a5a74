import asyncio

from resolvers.services import Services
from resolvers.workers import Worker
from tests.gql.api import LIMIT_SECONDS, Api, Person
from tests.resolvers.errands import Diary, job_of, schedule, wait_errand


async def test_progress_is_seen_while_the_action_runs(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    id = await schedule(api, owner, wait_errand, {"steps": 8})
    document = "subscription ($id: ID!) { live { job(id: $id) { status progress done total } } }"
    async with api.watch(document, {"id": id}, caller=owner) as watching:
        working = asyncio.create_task(Worker(services, slots=1).work_off())
        await watching.until(lambda: watching.last["data"]["live"]["job"]["done"] == 4)
        assert watching.last["data"]["live"]["job"] == {"status": "RUNNING", "progress": 0.5, "done": 4, "total": 8}
        diary.going_on.set()
        async with asyncio.timeout(LIMIT_SECONDS):
            await working
        await watching.until(lambda: watching.last["data"]["live"]["job"]["status"] == "SUCCEEDED")
    assert (await job_of(api, owner, id))["progress"] == 1.0
