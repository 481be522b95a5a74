"""The matrix of rights, `tests/rights.md`, held against the schema: every query, mutation and live field, called by everybody."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLField, GraphQLObjectType, build_schema, get_named_type
from strawberry.types.base import get_object_definition

from datastore.rights import hidden_columns
from resolvers.changes import ChangedTable
from resolvers.functions import COLUMNS
from resolvers.nodes import tables_by_type, type_of
from tests.gql.api import LIMIT_SECONDS, Api, Person
from tests.gql.followers import following
from tests.gql.rights_world import CALLERS, World, make_world, rolled_back

MATRIX = Path(__file__).parent.parent / "rights.md"
SCHEMA = Path(__file__).parent.parent.parent / "schema.graphql"
OUTCOMES = {"ok", "null", "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"}
TO_STRANGERS = {"INVALID_INPUT"}
"""What only somebody may be answered who speaks of rows that are not theirs."""
BY_CODE = {"Mutation.verifyEmail", "Mutation.resetPassword"}
"""Who knows a code that was mailed may do these, whoever they are; those here know none."""
AT_ONCE = 8
SHOWN = {"Product": "unsold"}
"""The row whose fields are looked at, where that of the type in `every_kind` has nothing to hide."""


def kept() -> dict[str, tuple[str, ...]]:
    """The lines of the matrix: by the field, what comes of it for each caller."""
    lines = re.findall(r"^\| `([^`]+)` \| (.+) \|$", MATRIX.read_text(encoding="utf-8"), re.MULTILINE)
    assert len({field for field, _ in lines}) == len(lines), "a field has two lines"
    return {field: tuple(outcome.strip() for outcome in outcomes.split("|")) for field, outcomes in lines}


def roots() -> Iterator[tuple[str, str, GraphQLField]]:
    """Every field of `Query` and `Mutation`."""
    schema = build_schema(SCHEMA.read_text(encoding="utf-8"))
    for root in (schema.query_type, schema.mutation_type):
        assert root is not None
        for name, field in root.fields.items():
            yield root.name, name, field


def document_of(root: str, name: str, field: GraphQLField, given: dict[str, Any], *, live: bool) -> str:
    """The call of a root field, which asks for no more than whether there is something."""
    declared = ", ".join(f"${path}: {field.args[path].type}" for path in given)
    passed = ", ".join(f"{path}: ${path}" for path in given)
    inner = f"{name}({passed})" if given else name
    inner += " { __typename }" if isinstance(get_named_type(field.type), GraphQLObjectType) or "Node" in str(field.type) else ""
    head = "subscription" if live else root.lower()
    body = f"{{ live {{ {inner} }} }}" if live else f"{{ {inner} }}"
    return f"{head} ({declared}) {body}" if given else f"{head} {body}"


def outcome_of(response: dict[str, Any], name: str) -> str:
    """What came of a call, in one word."""
    if "errors" in response:
        [error] = response["errors"]
        code: str = error["extensions"]["code"]
        return code if code in OUTCOMES | TO_STRANGERS else f"{code}: {error['message']}"
    data = response["data"].get("live", response["data"])[name]
    return "null" if data in (None, [None]) else "ok"


async def tried(world: World, root: str, name: str, field: GraphQLField) -> tuple[str, ...]:
    """What comes of a field for each caller; live or not, that is the same."""
    given = world.arguments_of(root, name, field)

    async def by(person: Person | None) -> str:
        answer = await world.api.execute(document_of(root, name, field, given, live=False), given, caller=person)
        outcome = outcome_of(answer, name)
        if root == "Query":
            async with world.api.watch(document_of(root, name, field, given, live=True), given, caller=person) as watching:
                assert outcome_of(watching.last, name) == outcome, (name, watching.last)
        return outcome

    return tuple([await by(world.people[caller]) for caller in CALLERS])


async def shown(world: World, type_name: str, field_name: str) -> tuple[str, ...]:
    """Whether a field of a row is shown to each caller."""
    document = f"query ($id: ID!) {{ node(id: $id) {{ ... on {type_name} {{ {field_name} }} }} }}"

    async def to(person: Person | None) -> str:
        response = await world.api.execute(document, {"id": world.ids[SHOWN.get(type_name, type_name)]}, caller=person)
        if "errors" in response:
            return outcome_of(response, "node")
        node = response["data"]["node"]
        return "null" if node is None or node[field_name] is None else "ok"

    return tuple([await to(world.people[caller]) for caller in CALLERS])


async def told(world: World, table: str) -> tuple[str, ...]:
    """Whether each caller may follow the changes of a table."""

    async def by(person: Person | None) -> str:
        async with following(world.api, person, tables=[table]) as followed, asyncio.timeout(LIMIT_SECONDS):
            while not (followed.ended or world.api.service.feed.listening):
                await asyncio.sleep(0.001)
        return followed.error if followed.ended else "ok"

    return tuple([await by(world.people[caller]) for caller in CALLERS])


def partly_shown() -> Iterator[tuple[str, str]]:
    """The fields of rows that are made of a column which some role is not shown."""
    for type_name, table in tables_by_type().items():
        for field in get_object_definition(type_of(table), strict=True).fields:
            if hidden_columns(table).intersection(field.metadata.get(COLUMNS, [field.python_name])):
                yield type_name, str(field.python_name)


@pytest.fixture
async def world(api: Api, monkeypatch: pytest.MonkeyPatch) -> World:
    """The business, in which from now on nothing changes."""
    world = await make_world(api)
    for module in ("resolvers.runs", "datastore.group_commit"):
        monkeypatch.setattr(f"{module}.run_transaction", rolled_back)
    return world


@pytest.mark.slow
async def test_everybody_may_do_what_the_matrix_says_and_nothing_else(world: World) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def line(root: str, name: str, field: GraphQLField) -> tuple[str, tuple[str, ...]]:
        async with gate:
            return f"{root}.{name}", await tried(world, root, name, field)

    found = dict(await asyncio.gather(*(line(*each) for each in roots())))
    found |= {f"{type_name}.{name}": await shown(world, type_name, name) for type_name, name in partly_shown()}
    found |= {f"changes({table.name})": await told(world, table.name) for table in ChangedTable}
    differing = {field: outcomes for field, outcomes in found.items() if kept().get(field) != outcomes}
    lines = "\n".join(f"| `{field}` | {' | '.join(outcomes)} |" for field, outcomes in differing.items())
    assert not differing, f"tests/rights.md says otherwise, or nothing, of these; if this is what is meant, put them there:\n{lines}"
    assert not kept().keys() - found.keys(), "lines of fields that are no more"


def test_the_matrix_says_nothing_but_what_a_caller_can_be_answered() -> None:
    for field, outcomes in kept().items():
        assert len(outcomes) == len(CALLERS), field
        assert set(outcomes) <= OUTCOMES | TO_STRANGERS, field
        assert field in BY_CODE or set(outcomes[2:]) <= OUTCOMES, f"{field}: the arguments are not good for members, see rights_world.py"
