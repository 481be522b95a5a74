import asyncio
from typing import Any

import pytest

from datastore.errors import ConflictError
from resolvers.actions import action
from resolvers.functions import Kind, Marking, MutationContext
from resolvers.runs import Run
from resolvers.scheduling import ACTIONS, action_of, kind_of
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.resolvers.conftest import Unchanged
from tests.resolvers.errands import Diary, run_errand


async def mutate(api: Api, owner: Person, body: Any, key: str | None = None) -> Any:
    run = Run(api.services, await api.scope_of(owner), idempotency_key=key)
    return await run.mutate(body, Marking(Kind.MUTATION), {}, "test")


def test_an_action_is_known_by_its_functions_name() -> None:
    assert action_of(run_errand) is ACTIONS["runErrand"]
    assert kind_of(run_errand) == "runErrand"


def test_a_function_that_is_no_action_cannot_be_scheduled() -> None:
    with pytest.raises(TypeError, match="mark it with @action"):
        action_of(kind_of)


def test_two_actions_of_one_name_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="two actions runErrand"):
        action()(run_errand)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({}, TypeError), ({"what": "x", "more": 1}, TypeError), ({"what": object()}, TypeError), ({"what": float("nan")}, ValueError)],
)
async def test_arguments_that_do_not_fit_are_refused_when_it_is_scheduled(
    api: Api, owner: Person, nothing_written: Unchanged, arguments: dict[str, Any], error: type[Exception]
) -> None:
    async def body(ctx: MutationContext) -> None:
        await ctx.schedule(run_errand, arguments)

    async with nothing_written():
        with pytest.raises(error):
            await mutate(api, owner, body)


async def test_a_mutation_that_fails_schedules_nothing(
    api: Api, owner: Person, services: Services, diary: Diary, nothing_written: Unchanged
) -> None:
    async def body(ctx: MutationContext) -> None:
        await ctx.schedule(run_errand, {"what": "never"})
        raise ConflictError("Something else is wrong.")

    async with nothing_written():
        with pytest.raises(ConflictError):
            await mutate(api, owner, body)
    await work_off(services)
    assert diary.entries == []


async def test_a_mutation_that_is_sent_again_with_its_key_schedules_nothing_more(
    api: Api, owner: Person, services: Services, diary: Diary
) -> None:
    async def body(ctx: MutationContext) -> dict[str, Any]:
        return {"id": (await ctx.schedule(run_errand, {"what": "once"})).id}

    first, again = [await mutate(api, owner, body, "key") for _ in range(2)]
    assert first == again
    await work_off(services)
    assert diary.entries == [(first["id"], 1, "once")]


async def test_of_mutations_that_commit_together_one_that_fails_schedules_nothing(
    api: Api, owner: Person, services: Services, diary: Diary
) -> None:
    together = Marking(Kind.MUTATION, in_turn=True, in_group=True)

    async def body(ctx: MutationContext, number: int) -> None:
        await ctx.schedule(run_errand, {"what": str(number)})
        if number == 3:
            raise ConflictError("Something else is wrong.")

    scope = await api.scope_of(owner)
    calls = (Run(api.services, scope).mutate(body, together, {"number": number}, "test") for number in range(6))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(outcome, ConflictError) for outcome in outcomes] == [number == 3 for number in range(6)]
    tickets = await services.database.command({"count": "job_tickets", "query": {"kind": "runErrand"}})
    assert tickets["n"] == 5
    await work_off(services)
    assert sorted(entry[2] for entry in diary.entries) == ["0", "1", "2", "4", "5"]
