"""What an operator sees of the live engine."""

from dataclasses import replace

import httpx
import pytest
from pydantic import SecretStr

from datastore.settings import Settings
from resolvers.engine import is_operator
from resolvers.services import Services
from tests.gql.api import Api, Person

ENGINE = "{ engine { ready subscribers distinctOperations due runs changes matchingSeconds lagSeconds } }"
WATCH = "subscription { live { settings { currency } } }"


async def test_the_figures_are_those_of_the_engine(api: Api, owner: Person) -> None:
    async with api.watch(WATCH, caller=owner), api.watch(WATCH, caller=owner):
        await api.settle()
        figures = (await api.data(ENGINE))["engine"]
        assert figures["ready"] is True
        assert figures["subscribers"] == 2
        assert figures["distinctOperations"] == 1
        assert figures["runs"] == api.engine.counters.runs
        assert figures["changes"] > 0


async def test_without_an_engine_there_are_no_figures(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.services.monitor, "figures", None)
    assert await api.code(ENGINE) == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("env", "expected", "shown", "let_in"),
    [
        ("dev", None, None, True),
        ("production", None, None, False),
        ("production", None, "", False),
        ("production", "the operator's own token", None, False),
        ("production", "the operator's own token", "another", False),
        ("production", "the operator's own token", "the operator's own token", True),
        ("dev", "the operator's own token", "é", False),
    ],
)
def test_only_operators_are_let_in(
    services: Services, settings: Settings, env: str, expected: str | None, shown: str | None, let_in: bool
) -> None:
    token = None if expected is None else SecretStr(expected)
    changed = replace(services, settings=settings.model_copy(update={"env": env, "operator_token": token}))
    assert is_operator(changed, shown) is let_in


async def test_metrics_are_served_in_prometheus_text_format(live_server: str, api: Api, owner: Person) -> None:
    async with api.watch(WATCH, caller=owner), httpx.AsyncClient() as client:
        response = await client.get(f"{live_server}/metrics")
        assert response.status_code == 200
        assert "tillstream_live_ready 1.0" in response.text
        assert "tillstream_live_subscribers 1.0" in response.text
        assert "tillstream_live_matching_seconds_total" in response.text
