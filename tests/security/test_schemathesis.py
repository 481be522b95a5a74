"""Schemathesis (https://schemathesis.readthedocs.io) writes operations of its own for every field of the schema, the same in every run."""

import asyncio
from collections import Counter
from typing import Any

import pytest
import schemathesis
import strawberry
from graphql import ValueNode, introspection_from_schema
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from schemathesis import Case
from schemathesis.core.result import Ok
from schemathesis.graphql import nodes

from tests.gql.api import Api

FEW = settings(
    max_examples=1,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
ENDING = {"Mutation.signOut", "Mutation.signOutEverywhere", "Mutation.deleteAccount"}
"""Whoever calls these calls nothing more."""

EXPECTED = {"INVALID_INPUT", "NOT_FOUND", "CONFLICT", "UNAUTHENTICATED", "FORBIDDEN", "TOO_COMPLEX", "RATE_LIMITED", "UNAVAILABLE"}


def texts(strategy: SearchStrategy[str]) -> SearchStrategy[ValueNode]:
    return strategy.map(nodes.String)


SCALARS: dict[str, SearchStrategy[ValueNode]] = {
    "Money": texts(st.sampled_from(["0.00", "12.50", "-1", "1e3", "NaN", "99999999999999999999"])),
    "Percentage": texts(st.sampled_from(["0", "19.5", "100", "-1", "x"])),
    "Quantity": st.integers(-(2**62), 2**62).map(nodes.Int),
    "Date": texts(st.dates().map(str)),
    "DateTime": texts(st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")),
    "JSON": texts(st.text()),
}


class Trial:
    """What one server answers to operations that Schemathesis writes."""

    def __init__(self, url: str, authorization: str) -> None:
        self.url = url
        self.headers = {"Authorization": authorization, "Accept": "application/graphql-response+json"}
        self.codes: Counter[str] = Counter()
        self.answers = 0

    def of_all(self, operations: list[SearchStrategy[Case[Any]]]) -> None:
        """Tries each operation a few times."""
        for operation in operations:
            FEW(given(operation)(self.of_one))()

    def of_one(self, case: Case[Any]) -> None:
        """Tries one."""
        response = case.call(base_url=f"{self.url}/graphql", headers=self.headers)
        # Schemathesis' own check takes every error beside data for a fault of the server.
        assert response.status_code < 500, response.text
        self.answers += 1
        self.codes.update(error["extensions"]["code"] for error in response.json().get("errors", ()))


@pytest.mark.slow
async def test_no_operation_that_the_schema_allows_is_answered_with_a_fault(api: Api, live_server: str, schema: strawberry.Schema) -> None:
    for name, strategy in SCALARS.items():
        schemathesis.graphql.scalar(name, strategy)
    described = schemathesis.graphql.from_dict(dict(introspection_from_schema(schema._schema)))
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    tried = [operation.as_strategy() for operation in operations if operation.label not in ENDING]
    person = await api.sign_up()
    trial = Trial(live_server, f"Bearer {person.access_token}")
    await asyncio.to_thread(trial.of_all, tried)
    assert trial.answers >= len(tried) > 80
    assert trial.codes.keys() <= EXPECTED, trial.codes
