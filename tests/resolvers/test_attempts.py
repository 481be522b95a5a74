from datetime import timedelta

import pytest

from resolvers.attempts import LONGEST_BACKOFF, backoff
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.resolvers.errands import FAILURES, Diary, bring_what_is_no_json, job_of, run_errand, run_slow_errand, schedule

HOUR = timedelta(hours=1)


def test_the_pause_doubles_up_to_an_hour_and_half_of_it_is_chance() -> None:
    for failures, longest in ((1, 10.0), (2, 20.0), (5, 160.0), (40, LONGEST_BACKOFF), (5000, LONGEST_BACKOFF)):
        pauses = [backoff(10.0, failures) for _ in range(50)]
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert len(set(pauses)) > 1


@pytest.mark.parametrize(
    ("failure", "error"),
    [("away", "The printer does not answer."), ("unexpected", "Something went wrong on the server; its log says what.")],
)
async def test_what_may_pass_is_tried_again_after_a_pause(
    api: Api, owner: Person, services: Services, diary: Diary, failure: str, error: str
) -> None:
    diary.failures.append(FAILURES[failure])
    id = await schedule(api, owner, run_errand, {"what": "print"})
    await work_off(services)
    job = await job_of(api, owner, id)
    assert (job["status"], job["attempts"], job["error"]) == ("QUEUED", 1, error)
    assert job["runAt"] > job["startedAt"]
    await work_off(services)
    assert len(diary.entries) == 1
    await work_off(services, until=services.clock() + timedelta(seconds=11))
    job = await job_of(api, owner, id)
    assert (job["status"], job["attempts"], job["error"]) == ("SUCCEEDED", 2, None)
    assert [entry[:2] for entry in diary.entries] == [(id, 1), (id, 2)]


@pytest.mark.parametrize(
    ("failure", "error"), [("refused", "The printer refused."), ("conflict", "The printer is sold."), ("odd", "?" * 2000)]
)
async def test_what_will_not_pass_fails_at_once(
    api: Api, owner: Person, services: Services, diary: Diary, failure: str, error: str
) -> None:
    diary.failures.append(FAILURES[failure])
    id = await schedule(api, owner, run_errand, {"what": "print"})
    await work_off(services)
    job = await job_of(api, owner, id)
    assert (job["status"], job["attempts"], job["error"]) == ("FAILED", 1, error)
    await work_off(services, until=services.clock() + HOUR)
    assert len(diary.entries) == 1


async def test_what_always_fails_is_given_up_with_the_reason(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    diary.failures += [FAILURES["away"]] * 9
    id = await schedule(api, owner, run_errand, {"what": "print"})
    for hours in range(5):
        await work_off(services, until=services.clock() + hours * HOUR)
    job = await job_of(api, owner, id)
    assert (job["status"], job["attempts"], job["error"]) == ("FAILED", 3, "The printer does not answer.")
    assert len(diary.entries) == 3


async def test_what_takes_too_long_is_broken_off(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    id = await schedule(api, owner, run_slow_errand, {})
    await work_off(services)
    job = await job_of(api, owner, id)
    assert (job["status"], job["error"]) == ("QUEUED", "It took longer than 0 seconds.")


async def test_what_returns_no_json_fails_once_and_for_all(api: Api, owner: Person, services: Services, diary: Diary) -> None:
    id = await schedule(api, owner, bring_what_is_no_json, {})
    await work_off(services)
    job = await job_of(api, owner, id)
    assert (job["status"], job["attempts"], job["result"]) == ("FAILED", 1, None)
