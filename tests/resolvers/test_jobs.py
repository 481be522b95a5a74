"""Jobs as people see them."""

from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.resolvers.errands import Diary, job_of, run_errand, schedule


async def test_a_job_is_carried_out_and_says_what_came_of_it(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    id = await schedule(api, owner, run_errand, {"what": "buy tea"})
    queued = await job_of(api, owner, id)
    assert (queued["kind"], queued["status"], queued["attempts"]) == ("runErrand", "QUEUED", 0)
    await work_off(services)
    job = await job_of(api, owner, id)
    assert (job["status"], job["progress"], job["attempts"], job["error"]) == ("SUCCEEDED", 1.0, 1, None)
    assert job["result"] == {"did": "buy tea", "for": "Ada Lovelace"}
    assert diary.entries == [(id, 1, "buy tea")]
