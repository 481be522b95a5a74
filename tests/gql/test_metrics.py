"""What an operator's Prometheus sees of the work that waits, and of what came of it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from gql.app import create_app
from gql.service import GraphQLService
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.receivers import receiving, status
from tests.resolvers.errands import new_diary, run_errand, schedule
from tests.resolvers.hooks import TEST, make_endpoint, open_to_all, sending, until_logged

Figures = Callable[[], Awaitable[dict[str, float]]]


@pytest.fixture
async def figures(service: GraphQLService, services: Services) -> AsyncIterator[Figures]:
    """What `/metrics` says now, by name and labels."""
    transport = httpx.ASGITransport(create_app(service, services))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:

        async def asked() -> dict[str, float]:
            response = await client.get("/metrics")
            assert response.status_code == 200, response.text
            lines = [line for line in response.text.splitlines() if line and not line.startswith("#")]
            return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

        yield asked


async def test_operators_see_which_jobs_wait_and_what_came_of_them(api: Api, ada: Person, services: Services, figures: Figures) -> None:
    new_diary()
    await schedule(api, ada, run_errand, {"what": "wait"})
    waiting = await figures()
    assert waiting["tillstream_jobs_due"] == 1
    assert 0 <= waiting["tillstream_jobs_oldest_due_seconds"] < 60
    done = 'tillstream_jobs_attempts_total{kind="runErrand",outcome="succeeded"}'
    await work_off(services)
    after = await figures()
    assert after["tillstream_jobs_due"] == 0
    assert after[done] == waiting.get(done, 0) + 1


async def test_operators_see_which_endpoints_wait_for_webhooks_and_what_came_of_these(services: Services, figures: Figures) -> None:
    api, _ = open_to_all(services, "2026-01-01T12:00:00")
    owner = await api.sign_up()
    async with receiving() as receiver:
        endpoint = await make_endpoint(api, owner, receiver.url)
        await api.data(TEST, {"id": endpoint["id"]}, caller=owner)
        waiting = await figures()
        assert waiting["tillstream_webhooks_due"] == 1
        assert waiting["tillstream_webhooks_oldest_due_seconds"] > 60
        async with sending(api.services):
            await until_logged(api, owner, endpoint["id"], lambda log: log[0]["status"] == "DELIVERED")
            receiver.answer = lambda _: status(500)
            await api.data(TEST, {"id": endpoint["id"]}, caller=owner)
            await until_logged(api, owner, endpoint["id"], lambda log: log[-1]["attempts"] == 1)
    after = await figures()
    counts = {outcome: f'tillstream_webhooks_attempts_total{{outcome="{outcome}"}}' for outcome in ("delivered", "scheduled")}
    assert {outcome: after[name] - waiting.get(name, 0) for outcome, name in counts.items()} == {"delivered": 1, "scheduled": 1}
