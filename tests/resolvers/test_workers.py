import asyncio

from resolvers.services import Services
from resolvers.workers import Worker
from tests.gql.api import LIMIT_SECONDS, Api, Person
from tests.resolvers.errands import Diary, run_errand, schedule


async def test_many_workers_at_once_do_everything_once(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    ids = {await schedule(api, owner, run_errand, {"what": str(number)}) for number in range(30)}
    workers = [Worker(services, slots=3) for _ in range(5)]
    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.gather(*(worker.work_off() for worker in workers))
    assert sorted(entry[0] for entry in diary.entries) == sorted(ids)
    assert {entry[1] for entry in diary.entries} == {1}
