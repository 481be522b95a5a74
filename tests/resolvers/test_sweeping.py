from datetime import timedelta

import pytest

from datastore import schema as tables
from datastore.sweeping import sweep
from datastore.tables import Row
from resolvers.idempotency import KEPT_FOR
from resolvers.services import Services
from resolvers.sweeping import JOBS_KEPT_FOR
from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.resolvers.errands import job_of, run_errand, schedule
from tests.resolvers.shop import make_product

SETTINGS = 'mutation { updateSettings(input: {businessName: "Engines"}) { id } }'
MINUTE = timedelta(minutes=1)


async def count(api: Api, table: type[Row]) -> int:
    reply = await api.services.database.command({"count": table.spec.name, "query": {}})
    return int(reply["n"])


async def test_old_idempotency_keys_go_and_young_ones_stay(api: Api, owner: Person, stranger: Person, services: Services) -> None:
    for person in (owner, stranger):
        await api.execute(SETTINGS, caller=person, idempotency_key="one")
    await work_off(services, until=services.clock() + KEPT_FOR - MINUTE)
    assert await count(api, tables.IdempotencyKey) == 2
    await work_off(services, until=services.clock() + KEPT_FOR + timedelta(hours=1))
    assert await count(api, tables.IdempotencyKey) == 0


async def test_sessions_go_when_they_have_expired(api: Api, owner: Person, services: Services) -> None:
    days = timedelta(days=services.settings.refresh_token_days)
    await work_off(services, until=services.clock() + days - MINUTE)
    assert await count(api, tables.Session) == 1
    await work_off(services, until=services.clock() + days + timedelta(hours=1))
    assert await count(api, tables.Session) == 0


async def test_jobs_go_a_month_after_they_ended_and_not_before(api: Api, owner: Person, services: Services) -> None:
    done = await schedule(api, owner, run_errand, {"what": "early"})
    await work_off(services)
    waiting = await schedule(api, owner, run_errand, {"what": "late"})
    for moment, left in ((JOBS_KEPT_FOR - MINUTE, True), (JOBS_KEPT_FOR + timedelta(hours=1), False)):
        await sweep(services.database, tables.Job, "by_finished", services.clock() + moment - JOBS_KEPT_FOR)
        assert (await job_of(api, owner, done) is not None) == left
    assert (await job_of(api, owner, waiting))["status"] == "QUEUED"


async def test_rows_whose_changes_are_followed_are_not_swept(api: Api, owner: Person, services: Services) -> None:
    await make_product(api, owner)
    with pytest.raises(TypeError, match="followed"):
        await sweep(services.database, tables.Product, "by_created", services.clock())
